/*
 * outcomes_smtp - what a reply code of a mail server means, and how it went where there is none (RFC 5321
 * section 4.2, RFC 4954, RFC 7504)
 *
 * A server says itself what passes (4) and what does not (5). But what it says of our login an operator
 * mends, and what it says before there is a mail is not about the mail: deferred.
 */
#include "outcomes.h"

#define REPLY(code, kind, marks, meaning)                                                                    \
    {                                                                                                        \
        code, code, kind, "smtp_" #code, marks, meaning                                                      \
    }
static const struct answer codes[] = {
    REPLY(421, OUTCOME_DEFERRED, OVERLOAD, "the server closes the connection, or has too many"),
    REPLY(450, OUTCOME_DEFERRED, 0, "the mailbox is busy, or the mail is put off"),
    REPLY(451, OUTCOME_DEFERRED, 0, "an error of the server"),
    REPLY(452, OUTCOME_DEFERRED, OVERLOAD, "the server has no room, or a mailbox has none"),
    REPLY(454, OUTCOME_DEFERRED, 0, "TLS or the login is not there for now"),
    {400, 499, OUTCOME_DEFERRED, "smtp_4xx", 0, "any other that passes"},
    REPLY(530, OUTCOME_DEFERRED, 0, "a login is wanted"),
    REPLY(534, OUTCOME_DEFERRED, 0, "another way to log in is wanted"),
    REPLY(535, OUTCOME_DEFERRED, 0, "the login is refused"),
    REPLY(538, OUTCOME_DEFERRED, 0, "the login needs TLS"),
    REPLY(550, OUTCOME_REJECTED, 0, "no such mailbox, or the mail is not wanted"),
    REPLY(551, OUTCOME_REJECTED, 0, "the user is elsewhere"),
    REPLY(552, OUTCOME_REJECTED, 0, "the mail is too large"),
    REPLY(553, OUTCOME_REJECTED, 0, "the address is not taken"),
    REPLY(554, OUTCOME_REJECTED, 0, "refused"),
    {500, 599, OUTCOME_REJECTED, "smtp_5xx", 0, "any other that lasts"},
    {0},
};

static const struct answer events[] = {
    {EVENT_CONFIRMED, EVENT_CONFIRMED, OUTCOME_DELIVERED, "accepted", 0,
     "taken by the server for all recipients"},
    {EVENT_NOT_SERVED, EVENT_NOT_SERVED, OUTCOME_DEFERRED, "not_served", 0,
     "a code for good before there was a mail: nobody is served, or not we"},
    {EVENT_LOGIN, EVENT_LOGIN, OUTCOME_DEFERRED, "login", 0, "no way to log in that both have"},
    {EVENT_TIMEOUT, EVENT_TIMEOUT, OUTCOME_DEFERRED, "timeout", OVERLOAD, "no answer in time"},
    {EVENT_CONNECT, EVENT_CONNECT, OUTCOME_DEFERRED, "connect", 0, "no such name, or no connection"},
    {EVENT_TLS, EVENT_TLS, OUTCOME_DEFERRED, "tls", 0, "no STARTTLS, or no trusted TLS"},
    {EVENT_BROKEN, EVENT_BROKEN, OUTCOME_DEFERRED, "broken", 0, "no SMTP, or it broke off"},
    {EVENT_SYSTEM, EVENT_SYSTEM, OUTCOME_DEFERRED, "system", LOCAL,
     "this host has no socket or thread for it"},
    {EVENT_REFUSED_ADDRESS, EVENT_REFUSED_ADDRESS, OUTCOME_REJECTED, "refused_address", LOCAL,
     "refused by the address guard"},
    {EVENT_CREDENTIALS, EVENT_CREDENTIALS, OUTCOME_DEFERRED, "credentials", LOCAL | HELD,
     "the credentials lack what is wanted"},
    {EVENT_CONFIGURATION, EVENT_CONFIGURATION, OUTCOME_REJECTED, "configuration", LOCAL,
     "the form cannot be used"},
    {0},
};

const struct outcome_table outcomes_smtp = {"SMTP reply code", NULL, codes, events};
