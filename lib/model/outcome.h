/*
 * outcome - how one attempt ended
 *
 * Exactly one of three kinds. An outcome is what an adapter reports; it is not a fault of the program.
 */
#ifndef DIST_OUTCOME_H
#define DIST_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>
#include "buf.h"

enum outcome_kind {
    OUTCOME_DELIVERED, /* the destination has it */
    OUTCOME_DEFERRED,  /* not now: again later */
    OUTCOME_REJECTED,  /* never again */
};

struct outcome {
    enum outcome_kind kind;
    bool overload; /* the destination is asked too much: 429, 503, no answer in time */
    bool local;    /* it ended on this side before the destination was asked (the address guard, a form that
                      cannot be used, a shortage of this host): it says nothing of the destination's health */
    bool held;     /* local, and for the operator to mend: it waits, and no attempt is spent */
    bool gone;     /* the destination said to be gone for ever, and is to be disabled */
    int code;      /* HTTP status, exit code; 0: none */
    int64_t retry_after_ms; /* what the destination asked for; -1: nothing */
    const char *reason;  /* a static word: "http_503", "timeout", "connect", "refused_address", "exit_75" */
    char text[500];      /* one line for people; "" on success; printable, no secret */
    struct buf response; /* body or output as it came, at most LIMIT_RESPONSE bytes */
};

extern const char *const outcome_kind_names[]; /* "delivered", "deferred", "rejected", NULL */

/* DEFERRED for the reason "unknown" until it is set: what nobody judged does not count as delivered. */
void outcome_init(struct outcome *outcome);
void outcome_release(struct outcome *outcome);
/* Sets kind, code, reason and text, no mark (overload, local, held, gone); keeps response and retry_after_ms.
 * `reason` must be a static string. */
void outcome_set(struct outcome *outcome, enum outcome_kind kind, int code, const char *reason,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

#endif
