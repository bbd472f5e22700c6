/*
 * pg_server - initdb once, then the postmaster as our child; as root both run as the user postgres or nobody
 */
#include "pg_server.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "clock.h"
#include "pg.h"

enum { START_MS = 60 * 1000, POLL_MS = 20 };

/* The folder of the server's programs: PG_BINDIR, what pg_config says, or Debian's newest. */
static const char *program_folder(void)
{
    static char folder[400];
    const char *commands[] = {
        "ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1",
        "pg_config --bindir 2>/dev/null",
    };

    if (*folder)
        return folder;
    if (getenv("PG_BINDIR"))
        snprintf(folder, sizeof folder, "%s", getenv("PG_BINDIR"));
    for (size_t i = 0; i < sizeof commands / sizeof *commands && !*folder; i++) {
        FILE *output = popen(commands[i], "re");
        assert_non_null(output);
        if (!fgets(folder, sizeof folder, output))
            *folder = '\0';
        pclose(output);
        folder[strcspn(folder, "\n")] = '\0';
    }
    if (!*folder)
        fail_msg("PostgreSQL is not installed");
    return folder;
}

/* PostgreSQL refuses to run as root. */
static const struct passwd *server_user(void)
{
    const struct passwd *user = getpwnam("postgres");

    return geteuid() ? NULL : user ? user : getpwnam("nobody");
}

static void become_server_user(void)
{
    const struct passwd *user = server_user();

    if (user && (setgroups(0, NULL) || setgid(user->pw_gid) || setuid(user->pw_uid)))
        _exit(126);
}

/* Runs a program of the server's; its output goes to `log` below the folder. */
static pid_t spawn(const struct pg_server *server, const char *const *argv)
{
    enum { ARGUMENTS_MAX = 24 };
    char path[600], log[128];
    char *arguments[ARGUMENTS_MAX + 1] = {
        path}; /* PostgreSQL finds its own files by the path it was called by */
    pid_t pid;

    snprintf(path, sizeof path, "%s/%s", program_folder(), argv[0]);
    snprintf(log, sizeof log, "%s/log", server->folder);
    for (size_t i = 1; argv[i]; i++) {
        assert_true(i < ARGUMENTS_MAX);
        arguments[i] = (char *)argv[i];
    }
    pid = fork();
    assert_true(pid >= 0);
    if (pid)
        return pid;
    become_server_user();
    prctl(PR_SET_PDEATHSIG, SIGQUIT); /* behind the change of user, which clears it */
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || chdir("/"))
        _exit(126);
    execv(path, arguments);
    _exit(127);
}

void pg_server_create(struct pg_server *server)
{
    char data[100];
    const struct passwd *user = server_user();
    int status;

    snprintf(server->folder, sizeof server->folder, "/tmp/dist-pg-XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    if (user)
        assert_int_equal(chown(server->folder, user->pw_uid, user->pw_gid), 0);
    snprintf(data, sizeof data, "%s/data", server->folder);
    const char *const argv[] = {"initdb", "-D", data,   "-U",         "dist",      "-A",
                                "trust",  "-E", "UTF8", "--locale=C", "--no-sync", NULL};
    pid_t pid = spawn(server, argv);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status)
        fail_msg("initdb ended with %d; see %s/log", status, server->folder);
    pg_server_start(server);
}

struct pg_config pg_server_config(const struct pg_server *server, int64_t timeout_ms)
{
    return (struct pg_config){
        .host = server->folder,
        .port = server->port,
        .database = "postgres",
        .user = "dist",
        .application = "dist-test",
        .timeout_ms = timeout_ms,
    };
}

void pg_server_start(struct pg_server *server)
{
    char data[100], sockets[100], port[20];
    struct pg_config config = pg_server_config(server, START_MS);
    struct pg *pg = pg_new(&config);
    struct fault fault = {0};
    int64_t deadline_ms = clock_mono_ms() + START_MS;

    snprintf(data, sizeof data, "%s/data", server->folder);
    snprintf(sockets, sizeof sockets, "unix_socket_directories=%s", server->folder);
    snprintf(port, sizeof port, "port=%d", server->port ? server->port : 5432);
    const char *const argv[] = {"postgres",
                                "-D",
                                data,
                                "-c",
                                server->port ? "listen_addresses=127.0.0.1" : "listen_addresses=",
                                "-c",
                                port,
                                "-c",
                                sockets,
                                "-c",
                                "fsync=off",
                                "-c",
                                "full_page_writes=off",
                                "-c",
                                "shared_buffers=128MB",
                                "-c",
                                "max_wal_size=2GB",
                                "-c",
                                "max_connections=40",
                                "-c",
                                "unix_socket_permissions=0777",
                                NULL};
    server->pid = spawn(server, argv);
    while (pg_connect(pg, &fault)) {
        int status;
        if (waitpid(server->pid, &status, WNOHANG) == server->pid || clock_mono_ms() > deadline_ms)
            fail_msg("PostgreSQL does not start: %s; see %s/log", fault.text, server->folder);
        nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000}, NULL);
    }
    pg_free(pg);
}

void pg_server_stop(struct pg_server *server)
{
    if (!server->pid)
        return;
    kill(server->pid, SIGQUIT);
    kill(server->pid, SIGCONT);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

void pg_server_remove(struct pg_server *server)
{
    char command[128];

    pg_server_stop(server);
    snprintf(command, sizeof command, "rm -rf '%s'", server->folder);
    assert_int_equal(system(command), 0);
}

int64_t pg_server_number(const struct pg_server *server, const char *sql)
{
    struct pg_config config = pg_server_config(server, START_MS);
    struct pg *pg = pg_new(&config);
    struct fault fault = {0};
    PGresult *result = pg_query(pg, sql, NULL, &fault);

    if (!result)
        fail_msg("%s: %s", sql, fault.text);
    int64_t number = pg_int(result, 0, 0);
    PQclear(result);
    pg_free(pg);
    return number;
}

void pg_server_run(const struct pg_server *server, const char *sql)
{
    struct pg_config config = pg_server_config(server, START_MS);
    struct pg *pg = pg_new(&config);
    struct fault fault = {0};

    if (pg_script(pg, sql, &fault))
        fail_msg("%s: %s", sql, fault.text);
    pg_free(pg);
}
