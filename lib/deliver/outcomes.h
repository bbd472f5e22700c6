/*
 * outcomes - what each answer of a destination means: one table per protocol
 *
 * outcomes_<protocol>.c holds nothing but its table, adapters look the row up (pending.h), and people see the
 * same rows by dist-deliver --explain-policy. dist-destinations(5) tells them too.
 *
 * A row is deferred where time, an operator or a renewed credential mends it without the report being
 * changed, and rejected where the same report gets the same answer for ever.
 */
#ifndef DIST_OUTCOMES_H
#define DIST_OUTCOMES_H

#include "outcome.h"

/* What happened where a destination gave no code. The common ones first, then those of some protocols. */
enum outcome_event {
    EVENT_CONFIGURATION, /* the form cannot be used for this report: a placeholder without a value */
    EVENT_TIMEOUT,       /* timeout_ms is over */
    EVENT_SYSTEM,        /* this host lacks processes, descriptors or memory */
    EVENT_CONNECT,
    EVENT_REFUSED_ADDRESS,
    EVENT_TLS,
    EVENT_BROKEN,
    EVENT_NOT_STARTABLE,
    EVENT_SIGNAL,
    EVENT_WRITTEN,
    EVENT_THERE_ALREADY,
    EVENT_EXISTS,
    EVENT_BUSY,
    EVENT_KILLED,
    EVENT_DISCARDED,
    EVENT_BODY, /* the body is not what the protocol can carry */
    EVENT_CONFIRMED,
    EVENT_NACK,
    EVENT_BLOCKED,
    EVENT_ONE_OF_SEVERAL,
    EVENT_TOKEN,          /* no access token was given */
    EVENT_SAID_DELIVERED, /* a command told how it went, in words */
    EVENT_SAID_DEFERRED,
    EVENT_SAID_REJECTED,
    EVENT_LOGIN, /* not let in */
    EVENT_NOT_SERVED,
    EVENT_HOST_KEY,
    EVENT_CREDENTIALS, /* they lack what is wanted, or their time is over: an operator mends them */
};

/* Marks of a row; 0: none. They become the outcome's members of the same names. */
enum { OVERLOAD = 1, LOCAL = 2, GONE = 4, HELD = 8 };

struct answer {
    int first, last; /* the codes that it is for; of an event, the event twice */
    enum outcome_kind kind;
    const char *reason;
    int marks;
    const char *meaning; /* a phrase for people */
};

struct outcome_table {
    const char *code_name;               /* what the codes are: "HTTP status", "exit code"; NULL: none */
    const char *(*code_text)(int code);  /* a code's name, "ENOSPC"; NULL: its number */
    const struct answer *codes, *events; /* ended by a NULL reason; of codes the first that holds decides */
};

extern const struct outcome_table outcomes_rest, outcomes_exec, outcomes_file, outcomes_null, outcomes_amqp,
    outcomes_jdbc, outcomes_s3, outcomes_hdfs, outcomes_soap, outcomes_smtp, outcomes_sftp;
/* That of a fault, by its code and subcode without prefixes; of one that has no row it is that of all others.
 */
int outcomes_soap_code(const char *code, const char *subcode);

/* The code that the table has for a name of its code_text(), "NoSuchBucket"; 0: it has none. */
int outcomes_code(const struct outcome_table *table, const char *name);
/* Never NULL: what no row is for is deferred with the reason "unknown". */
const struct answer *outcomes_by_code(const struct outcome_table *table, int code);
const struct answer *outcomes_by_event(const struct outcome_table *table, enum outcome_event event);
/* Sets the outcome (outcome_set()) and the marks as the row says. */
void outcomes_apply(const struct answer *row, int code, const char *text, struct outcome *outcome);

#endif
