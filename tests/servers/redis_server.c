/*
 * redis_server - see redis_server.h
 */
#include "redis_server.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "clock.h"

enum { START_MS = 15000, PORT_FIRST = 10240, PORT_LAST = 32000 };

int redis_server_free_port(void)
{
    /* Below those that the kernel gives to clients, and from another place in every process. */
    static int last;

    if (last == 0)
        last = PORT_FIRST + (int)getpid() * 37 % (PORT_LAST - PORT_FIRST);
    for (int tries = 0; tries < 1000; tries++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), bound;

        last = last == PORT_LAST ? PORT_FIRST : last + 1;
        address.sin_port = htons((uint16_t)last);
        bound = bind(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (bound == 0)
            return last;
    }
    fail_msg("no port is free");
    return 0;
}

void redis_server_prepare(struct redis_server *server)
{
    *server = (struct redis_server){.port = redis_server_free_port()};
    snprintf(server->folder, sizeof server->folder, "/tmp/dist-redis-XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    snprintf(server->socket, sizeof server->socket, "%s/redis.sock", server->folder);
}

static void run(const struct redis_server *server, const char *sentinel, const char *const *options)
{
    const char *argv[64] = {"redis-server"};
    char port[12];
    size_t count = 1;
    int null = open("/dev/null", O_WRONLY);

    snprintf(port, sizeof port, "%d", server->port);
    if (sentinel)
        argv[count++] = sentinel;
    const char *const all[] = {"--port",       port,           "--bind", "127.0.0.1",
                               "--unixsocket", server->socket, "--dir",  server->folder};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        argv[count++] = all[i];
    for (const char *const *option = sentinel
                                         ? (const char *const[]){"--sentinel", NULL}
                                         : (const char *const[]){"--save", "", "--appendonly", "no", NULL};
         *option; option++)
        argv[count++] = *option;
    for (; options && *options && count < 63; options++)
        argv[count++] = *options;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with the test, however that ends */
    dup2(null, 1);
    dup2(null, 2);
    execvp("redis-server", (char **)argv);
    _exit(127);
}

struct redis *redis_server_client(const struct redis_server *server)
{
    return redis_new(&(struct redis_config){.host = server->socket, .timeout_ms = 5000});
}

void redis_server_start(struct redis_server *server, const char *sentinel, const char *const *options)
{
    int64_t deadline_ms = clock_mono_ms() + START_MS;
    struct redis *redis = redis_server_client(server);
    struct fault fault = {0};

    server->pid = fork();
    if (server->pid == 0)
        run(server, sentinel, options);
    assert_true(server->pid > 0);
    for (;;) {
        redisReply *reply = redis_commandf(redis, 0, &fault, "PING");

        if (reply)
            freeReplyObject(reply);
        if (reply || fault.class == FAULT_CONFIG) /* it asks for a password */
            break;
        if (clock_mono_ms() > deadline_ms || waitpid(server->pid, NULL, WNOHANG) != 0)
            fail_msg("redis-server does not start: %s", fault.text);
        usleep(5000);
    }
    redis_free(redis);
}

void redis_server_kill(struct redis_server *server)
{
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
    }
    server->pid = 0;
    unlink(server->socket);
}

void redis_server_remove(struct redis_server *server)
{
    DIR *folder;

    redis_server_kill(server);
    folder = opendir(server->folder);
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;)
        (void)unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        closedir(folder);
    rmdir(server->folder);
}

static char *text_of(const redisReply *reply)
{
    char *text = NULL;

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0) { /* the elements, with blanks between */
        text = strdup("");
        for (size_t i = 0; i < reply->elements; i++) {
            char *part = text_of(reply->element[i]), *longer;

            assert_true(asprintf(&longer, "%s%s%s", text, i ? " " : "", part) >= 0);
            free(text);
            free(part);
            text = longer;
        }
    } else if (reply->type == REDIS_REPLY_INTEGER) {
        assert_true(asprintf(&text, "%lld", reply->integer) >= 0);
    } else {
        text = strdup(reply->str ? reply->str : "");
    }
    return text;
}

char *redis_server_ask(const struct redis_server *server, const char *command)
{
    struct redis *redis = redis_server_client(server);
    struct fault fault = {0};
    redisReply *reply = redis_commandf(redis, 0, &fault, command);
    char *text = reply ? text_of(reply) : strdup(fault.text);

    if (reply)
        freeReplyObject(reply);
    redis_free(redis);
    return text;
}

void redis_server_tell(const struct redis_server *server, const char *command)
{
    char *answer = redis_server_ask(server, command);

    if (strcmp(answer, "OK") != 0)
        fail_msg("%s: %s", command, answer);
    free(answer);
}

void redis_server_await(const struct redis_server *server, const char *command, const char *part)
{
    int64_t deadline_ms = clock_mono_ms() + START_MS;

    for (;;) {
        char *answer = redis_server_ask(server, command);
        bool found = strstr(answer, part) != NULL;

        if (!found && clock_mono_ms() > deadline_ms)
            fail_msg("%s: no '%s' in: %s", command, part, answer);
        free(answer);
        if (found)
            return;
        usleep(20000);
    }
}
