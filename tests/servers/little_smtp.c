/*
 * little_smtp - see little_smtp.h
 */
#include "little_smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <cmocka.h>

struct peer {
    struct little_smtp *server;
    int fd, mails, mail_commands;
    char in[64 * 1024]; /* what came and was not looked at yet */
    size_t size;
};

static bool put(const struct peer *peer, const char *text)
{
    size_t size = strlen(text);

    while (size > 0) {
        ssize_t n = send(peer->fd, text, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        text += n;
        size -= (size_t)n;
    }
    return true;
}

static bool fill(struct peer *peer)
{
    ssize_t n = recv(peer->fd, peer->in + peer->size, sizeof peer->in - 1 - peer->size, 0);

    if (n <= 0)
        return false;
    peer->size += (size_t)n;
    peer->in[peer->size] = '\0';
    return true;
}

/* Up to and with `end`, into `out`. */
static bool take(struct peer *peer, const char *end, char *out, size_t out_size)
{
    char *found;

    peer->in[peer->size] = '\0';
    while (!(found = strstr(peer->in, end)))
        if (!fill(peer))
            return false;
    size_t size = (size_t)(found - peer->in) + strlen(end);
    snprintf(out, out_size, "%.*s", (int)size, peer->in);
    peer->size -= size;
    memmove(peer->in, peer->in + size, peer->size + 1);
    return true;
}

/* False: that was the last of it. */
static bool say(struct peer *peer, const char *scripted, const char *usual)
{
    char rest[1000];

    if (!scripted)
        return put(peer, usual);
    if (strcmp(scripted, SMTP_HANGUP) == 0)
        return false;
    if (strcmp(scripted, SMTP_FLOOD) == 0) {
        while (
            put(peer, "250-and so on, and so on, and so on, and so on, and so on, and so on, and so on\r\n"))
            ;
        return false;
    }
    if (*scripted)
        return put(peer, scripted);
    while (recv(peer->fd, rest, sizeof rest, 0) > 0)
        ;
    return false;
}

static bool take_data(struct peer *peer)
{
    const struct smtp_script *script = peer->server->script;

    if (!say(peer, script->data, "354 go on\r\n"))
        return false;
    if (script->data)
        return true;
    if (!take(peer, "\r\n.\r\n", peer->server->last, sizeof peer->server->last))
        return false;
    atomic_fetch_add(&peer->server->mails, 1);
    peer->mails++;
    if (!say(peer, script->end, "250 2.0.0 taken\r\n"))
        return false;
    return peer->mails != script->close_after;
}

/* The words of a login, where it is asked for. */
static bool take_login(struct peer *peer, const char *command)
{
    const struct smtp_script *script = peer->server->script;
    const char *asks[] = {"334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n"};
    bool by_login = strncmp(command, "AUTH LOGIN", 10) == 0;
    char line[2000];

    if (script->auth)
        return say(peer, script->auth, "");
    for (int i = 0; i < (by_login ? 2 : 1); i++)
        if (!put(peer, by_login ? asks[i] : "334 \r\n") || !take(peer, "\r\n", line, sizeof line))
            return false;
    return say(peer, script->login, "235 2.7.0 welcome\r\n");
}

static bool take_mail(struct peer *peer, const struct smtp_script *script)
{
    bool again = ++peer->mail_commands > 1;
    return say(peer, again && script->second_mail ? script->second_mail : script->mail, "250 2.1.0 fine\r\n");
}

static bool take_command(struct peer *peer)
{
    struct little_smtp *server = peer->server;
    const struct smtp_script *script = server->script;
    char line[2000];

    if (!take(peer, "\r\n", line, sizeof line))
        return false;
    if (server->envelope_size + strlen(line) < sizeof server->envelope)
        server->envelope_size +=
            (size_t)snprintf(server->envelope + server->envelope_size,
                             sizeof server->envelope - server->envelope_size, "%s", line);
    const struct {
        const char *command, *scripted, *usual;
    } answers[] = {
        {"EHLO", script->ehlo, "250-little\r\n250-SIZE 1000000\r\n250 AUTH PLAIN LOGIN\r\n"},
        {"HELO", script->helo, "250 little\r\n"},
        {"RCPT", script->rcpt, "250 2.1.5 fine\r\n"},
        {"NOOP", script->noop, "250 fine\r\n"},
        {"QUIT", script->quit, "221 bye\r\n"},
    };
    if (strncmp(line, "DATA", 4) == 0)
        return take_data(peer);
    if (strncmp(line, "AUTH", 4) == 0)
        return take_login(peer, line);
    if (strncmp(line, "MAIL", 4) == 0)
        return take_mail(peer, script);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        if (strncmp(line, answers[i].command, 4) == 0)
            return say(peer, answers[i].scripted, answers[i].usual);
    return put(peer, "500 what?\r\n");
}

static void *serve(void *arg)
{
    struct little_smtp *server = arg;
    int fd;

    while ((fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        static struct peer peer;
        peer = (struct peer){.server = server, .fd = fd};
        atomic_fetch_add(&server->connections, 1);
        if (say(&peer, server->script->greeting, "220 little ready\r\n"))
            while (take_command(&peer))
                ;
        close(fd);
        atomic_fetch_add(&server->closed, 1);
    }
    return NULL;
}

void little_smtp_start(struct little_smtp *server, const struct smtp_script *script)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    memset(server, 0, sizeof *server);
    server->script = script;
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->fd, 8), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

void little_smtp_stop(struct little_smtp *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
}
