/*
 * smtp - one connection to a mail server that takes our mail (RFC 5321; libcurl)
 *
 * Encrypted by STARTTLS (RFC 3207) or from the first byte (RFC 8314), or not at all where that is asked for;
 * never as it happens: a server that offers no STARTTLS is left. The login is PLAIN or LOGIN by password, or
 * OAUTHBEARER or XOAUTH2 by a token; whoever gives one asks for an encrypted connection. A mail goes to all
 * of its recipients or to none: the first that is refused ends it. The server is told the size before the
 * mail (RFC 1870).
 *
 * Blocks until the deadline (monotonic clock) of each call. What a server says is cut, printable, and without
 * what was sent to it as a login.
 */
#ifndef DIST_SMTP_H
#define DIST_SMTP_H

#include <stddef.h>
#include <stdint.h>
#include "fault.h"
#include "transfer.h"

enum smtp_security { SMTP_STARTTLS, SMTP_TLS, SMTP_PLAIN };

/* NULL: not so. */
struct smtp_peer {
    struct transfer_peer peer; /* borrowed until smtp_free(), all else until smtp_new() returns */
    enum smtp_security security;
    const char *ca_file, *cert_file, *key_file; /* PEM; NULL: the system's authorities, no certificate */
    const char *tls_name; /* what the server's certificate must carry; NULL: the host's name */
    const char *ehlo;     /* who we say we are; NULL: the name of this host */
    const char *username, *password, *token; /* a password, or a token, or neither */
};

/* What a code of the server is about. */
enum smtp_stage {
    SMTP_STAGE_SESSION, /* the greeting, EHLO, STARTTLS */
    SMTP_STAGE_LOGIN,
    SMTP_STAGE_MAIL, /* the sender, a recipient, the mail itself */
};

struct smtp_answer {
    enum transfer_result result;
    enum smtp_stage stage;
    int code;                      /* where ANSWERED: 400 to 599 */
    char text[TRANSFER_TEXT_SIZE]; /* "RCPT TO:<a@example.com>: 550 5.1.1 no such user" */
};

struct smtp;
/* Does not connect yet. CONFIG: libcurl cannot do what is asked for; SYSTEM: no memory. */
struct smtp *smtp_new(const struct smtp_peer *peer, struct fault *fault);
void smtp_free(struct smtp *smtp); /* says goodbye and does not wait for an answer; NULL is fine */

/* Connects and logs in. After anything but DONE only smtp_free() is left. */
void smtp_open(struct smtp *smtp, int64_t deadline_ms, struct smtp_answer *answer);
/* Whether the connection is there still (NOOP). */
void smtp_ping(struct smtp *smtp, int64_t deadline_ms, struct smtp_answer *answer);

struct smtp_mail {
    const char *from;      /* an address without '<' */
    const char *const *to; /* ended by NULL */
    const char *data;      /* lines that end with CRLF; dots are doubled here */
    size_t size;
    void (*sent)(void *arg); /* all of it is about to go: from now on the server may have it */
    void *arg;
};
/* Over the connection that is open. After anything but DONE only smtp_free() is left. */
void smtp_send(struct smtp *smtp, const struct smtp_mail *mail, int64_t deadline_ms,
               struct smtp_answer *answer);

#endif
