/*
 * sshd_server - see sshd_server.h
 */
#include "sshd_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "clock.h"
#include "secret.h"
#include "xalloc.h"

#define SSHD "/usr/sbin/sshd"
enum { START_MS = 10000 };

bool sshd_server_is_installed(void)
{
    return access(SSHD, X_OK) == 0;
}

/* The command's first line, without its end; its exit code is looked at. */
static void run(char *line, size_t size, const char *format, ...)
{
    va_list arguments;
    char *command = NULL;

    va_start(arguments, format);
    assert_true(vasprintf(&command, format, arguments) > 0);
    va_end(arguments);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    line[0] = '\0';
    if (fgets(line, (int)size, pipe))
        line[strcspn(line, "\n")] = '\0';
    if (pclose(pipe) != 0)
        fail_msg("%s", command);
    free(command);
}

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static bool answers(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;

    close(fd);
    return connected;
}

static void write_config(const struct sshd_server *server, const char *subsystem)
{
    char *path = xasprintf("%s/conf", server->folder);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fprintf(file,
            "ListenAddress 127.0.0.1\nHostKey %s/host\nPidFile none\nAuthorizedKeysFile %s/me.pub\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication yes\nMaxStartups 100\nSubsystem sftp %s\n",
            server->folder, server->folder, subsystem);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static void launch(struct sshd_server *server)
{
    char *conf = xasprintf("%s/conf", server->folder), *log = xasprintf("%s/log", server->folder);
    char port[20];

    snprintf(port, sizeof port, "%d", server->port);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        setpgid(0, 0);
        execl(SSHD, SSHD, "-D", "-E", log, "-f", conf, "-p", port, (char *)NULL);
        _exit(127);
    }
    free(conf);
    free(log);
}

void sshd_server_start(struct sshd_server *server, const char *subsystem)
{
    const char *tmp = getenv("TMPDIR");
    int64_t until_ms = clock_mono_ms() + START_MS;
    char line[300];

    memset(server, 0, sizeof *server);
    snprintf(server->folder, sizeof server->folder, "%s/dist-sshd-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(server->folder));
    snprintf(server->user, sizeof server->user, "%s", getpwuid(getuid())->pw_name);
    if (getuid() == 0)
        (void)mkdir("/run/sshd", 0755); /* where sshd of root locks itself in */
    run(line, sizeof line, "ssh-keygen -q -t ed25519 -N '' -f %s/host", server->folder);
    run(line, sizeof line, "ssh-keygen -q -t ed25519 -N '' -f %s/me", server->folder);
    run(server->fingerprint, sizeof server->fingerprint, "ssh-keygen -lf %s/host.pub | cut -d' ' -f2",
        server->folder);
    char *path = xasprintf("%s/me", server->folder);
    assert_int_equal(secret_read_file(path, &server->key, NULL), 0);
    free(path);
    write_config(server, subsystem);
    server->port = free_port();
    launch(server);
    while (!answers(server->port)) {
        assert_true(clock_mono_ms() < until_ms);
        usleep(10000);
    }
}

void sshd_server_stop(struct sshd_server *server)
{
    char line[300];

    kill(server->pid, SIGTERM);
    waitpid(server->pid, NULL, 0);
    free(server->key);
    run(line, sizeof line, "rm -rf %s", server->folder);
}
