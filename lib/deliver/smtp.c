/*
 * smtp - the report as a mail to a server that passes it on
 *
 * A thread per destination owns the connection (crew.h), which one mail after the other goes over. The one
 * hard rule: DELIVERED is said for the server's yes to the whole mail and all of its recipients.
 *
 * From the last byte of a mail on the server may have it; where its answer is lost then, the mail comes a
 * second time, with the same Message-ID. Before that it has nothing, and a connection that had grown old is
 * replaced without an attempt being spent.
 */
#include "crew.h"

#include <stdlib.h>
#include "clock.h"
#include "smtp.h"
#include "smtp_message.h"
#include "transfer_event.h"
#include "xalloc.h"

enum {
    PING_MS = 3000,
    CLOSING = 421, /* the server ends the connection */
};

struct link {
    struct smtp *smtp;
    size_t mails; /* that went over it */
};

static void watch(void *line, int fd)
{
    crew_watch(line, fd);
}

static size_t one_by_one(const struct destination *destination)
{
    (void)destination;
    return 1;
}

/* Who logs in, and by what. False: refused. */
static bool find_login(const struct crew_call *call, struct smtp_peer *peer)
{
    const struct destination_smtp *smtp = &call->destination->smtp;
    const struct secret *secret = call->secret;

    if (!call->destination->credentials)
        return true;
    peer->username = smtp->username ? smtp->username : secret ? secret->username : NULL;
    peer->token = smtp->bearer && secret ? secret->token : NULL;
    peer->password = !smtp->bearer && secret ? secret->password : NULL;
    if (!peer->username)
        crew_refuse(call, EVENT_CREDENTIALS, "no user name, neither in the form nor in the credentials");
    else if (!peer->password && !peer->token)
        crew_refuse(call, EVENT_CREDENTIALS, "no %s in the credentials", smtp->bearer ? "token" : "password");
    return peer->username && (peer->password || peer->token);
}

/* A code for good that is about no mail is none for good of a mail. */
static void refuse(const struct crew_call *call, const struct smtp_answer *answer)
{
    const struct answer *row = outcomes_by_code(&outcomes_smtp, answer->code);

    if (answer->result == TRANSFER_ANSWERED && row->kind == OUTCOME_DEFERRED)
        crew_refuse_by(call, row, answer->code, "%s", answer->text);
    else
        crew_refuse(call, transfer_event(answer->result), "%s", answer->text);
}

static void *smtp_connect(const struct crew_call *call)
{
    static const enum smtp_security securities[] = {
        [MAIL_STARTTLS] = SMTP_STARTTLS, [MAIL_TLS] = SMTP_TLS, [MAIL_PLAIN] = SMTP_PLAIN};
    const struct destination *destination = call->destination;
    const struct destination_smtp *form = &destination->smtp;
    struct smtp_peer peer = {
        .peer = {form->host, (int)form->port, call->guard, watch, call->line},
        .security = securities[form->security],
        .ca_file = destination->ca_file,
        .cert_file = destination->cert_file,
        .key_file = destination->key_file,
        .tls_name = destination->tls_name,
        .ehlo = form->ehlo,
    };
    struct fault fault = {0};
    struct smtp_answer answer;

    if (!find_login(call, &peer))
        return NULL;
    struct smtp *smtp = smtp_new(&peer, &fault);
    if (!smtp) {
        crew_refuse(call, EVENT_SYSTEM, "%s", fault.text);
        return NULL;
    }
    smtp_open(smtp, call->deadline_ms, &answer);
    if (answer.result != TRANSFER_DONE) {
        refuse(call, &answer);
        smtp_free(smtp);
        return NULL;
    }
    struct link *link = xcalloc(1, sizeof *link);
    link->smtp = smtp;
    return link;
}

static int smtp_tend(void *connection, struct fault *fault)
{
    struct link *link = connection;
    struct smtp_answer answer;

    smtp_ping(link->smtp, clock_mono_ms() + PING_MS, &answer);
    return answer.result == TRANSFER_DONE ? 0 : fault_set(fault, FAULT_UNAVAILABLE, "%s", answer.text);
}

static void smtp_close(void *connection)
{
    struct link *link = connection;

    smtp_free(link->smtp);
    free(link);
}

/* One mail */

struct sending {
    struct errand *errand;
    bool sent;
};

static void note_sent(void *arg)
{
    struct sending *sending = arg;

    sending->sent = true;
    errand_sent(sending->errand);
}

/* The connection ended, or is being ended, before the mail was the server's: the crew sends it over another.
 */
static bool may_go_again(const struct link *link, const struct sending *sending,
                         const struct smtp_answer *answer)
{
    return !sending->sent && link->mails > 0 &&
           (answer->result == TRANSFER_BROKEN ||
            (answer->result == TRANSFER_ANSWERED && answer->code == CLOSING));
}

static int send_mail(struct link *link, struct errand *errand, int64_t deadline_ms, struct fault *fault)
{
    struct sending sending = {.errand = errand};
    struct smtp_message message;
    struct smtp_answer answer;
    const char *wrong = smtp_message_make(&message, errand, fault);

    if (wrong) {
        errand_set_misconfigured(errand, wrong, fault);
        smtp_message_release(&message);
        return 0;
    }
    const struct smtp_mail mail = {
        .from = message.from,
        .to = message.to,
        .data = message.data.data,
        .size = message.data.len,
        .sent = note_sent,
        .arg = &sending,
    };
    smtp_send(link->smtp, &mail, deadline_ms, &answer);
    smtp_message_release(&message);
    if (may_go_again(link, &sending, &answer))
        return fault_set(fault, FAULT_UNAVAILABLE, "%s", answer.text);
    link->mails++;
    if (answer.result == TRANSFER_ANSWERED)
        errand_set(errand, outcomes_by_code(&outcomes_smtp, answer.code), answer.code, "%s", answer.text);
    else
        errand_set_event(errand, transfer_event(answer.result), "%s", answer.text);
    if (answer.result == TRANSFER_DONE)
        return 0;
    return fault_set(fault, FAULT_UNAVAILABLE, "%s", answer.text);
}

static int smtp_work(void *connection, struct errand **items, size_t count, int64_t deadline_ms,
                     struct fault *fault)
{
    for (size_t i = 0; i < count; i++)
        if (send_mail(connection, items[i], deadline_ms, fault) < 0)
            return -1;
    return 0;
}

static const struct crew_kind kind = {one_by_one, smtp_connect, smtp_tend, smtp_work, smtp_close};

static struct attempt_handle *smtp_start(struct adapter_context *context, const struct attempt *attempt,
                                         attempt_done done, void *arg)
{
    return crew_start(&kind, &adapter_smtp, context, attempt, done, arg);
}

/* Connects and logs in; no mail is sent. */
static int smtp_check(struct adapter_context *context, const struct destination *destination,
                      const struct secret *secret, struct fault *fault)
{
    return crew_check(&kind, &adapter_smtp, context, destination, secret, fault);
}

const struct adapter adapter_smtp = {PROTOCOL_SMTP, &outcomes_smtp, smtp_start, crew_cancel, smtp_check};
