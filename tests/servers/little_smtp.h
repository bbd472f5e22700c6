/*
 * little_smtp - a mail server on a thread of the test, which answers as a script says
 *
 * It listens on 127.0.0.1, serves one connection after the other, and keeps the mails that it took. What does
 * not work here ends the process.
 */
#ifndef DIST_TEST_LITTLE_SMTP_H
#define DIST_TEST_LITTLE_SMTP_H

#include <stdatomic.h>
#include <stddef.h>

/* What it says to a command; NULL: what a mail server says. */
#define SMTP_SILENCE "" /* nothing, until the peer goes */
#define SMTP_HANGUP "!" /* the connection is closed */
#define SMTP_FLOOD "*"  /* lines of one answer without an end */

struct smtp_script {
    const char *greeting, *ehlo, *helo, *auth, *login, *mail, *rcpt, *data, *end, *noop, *quit;
    const char *second_mail; /* to the second MAIL of a connection, and those after it */
    int close_after;         /* the connection is closed when it has taken so many mails; 0: never */
};

struct little_smtp {
    const struct smtp_script *script; /* of the connections that begin from now on */
    int fd, port;
    unsigned long thread;
    atomic_int connections, mails, closed;
    char last[64 * 1024]; /* mail, as it came, with its dots doubled */
    char envelope[4096];  /* the commands of all connections but those of mails' bodies, a line each */
    size_t envelope_size;
};

void little_smtp_start(struct little_smtp *server, const struct smtp_script *script);
void little_smtp_stop(struct little_smtp *server);

#endif
