/*
 * exec_result - what a command says of how it went, on its descriptor 3
 *
 *   {"outcome": "deferred", "reason": "busy", "retry_after": 30, "code": 451, "text": "mailbox is locked"}
 *
 * One JSON object, at most EXEC_RESULT_MAX bytes. "outcome" is required: delivered, deferred or rejected.
 * Pure.
 */
#ifndef DIST_EXEC_RESULT_H
#define DIST_EXEC_RESULT_H

#include <stddef.h>
#include <stdint.h>
#include "fault.h"
#include "outcomes.h"

enum { EXEC_RESULT_MAX = 16 * 1024, EXEC_REASON_MAX = 60, EXEC_TEXT_MAX = 300 };

struct exec_result {
    enum outcome_event event;                       /* EVENT_SAID_DELIVERED and its kin */
    char text[EXEC_REASON_MAX + EXEC_TEXT_MAX + 3]; /* "busy: mailbox is locked"; printable */
    int code;                                       /* -1: none */
    int64_t retry_after_ms;                         /* -1: none */
};

/* INPUT where it is no such object. A size above EXEC_RESULT_MAX is one too. */
int exec_result_read(const char *said, size_t size, struct exec_result *result, struct fault *fault);

#endif
