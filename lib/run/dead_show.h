/*
 * dead_show - dead letters for people and for programs
 */
#ifndef DIST_DEAD_SHOW_H
#define DIST_DEAD_SHOW_H

#include <stdbool.h>
#include <stdint.h>
#include "delivery.h"
#include "fault.h"
#include "store.h"
#include "table.h"

/* The destination of the last attempt, or of the first where there has been none since it was routed or
 * replayed; NULL where it has no candidates. */
const char *dead_destination(const struct delivery *delivery);
/* The name of the reason; NULL where the delivery is not dead, as after a replay. */
const char *dead_reason(const struct delivery *delivery);

struct dead_list {
    bool json;
    bool failed; /* a row could not be written */
    struct table table;
    struct fault *fault;
};
void dead_list_begin(struct dead_list *list, bool json, struct fault *fault);
/* For store_dead_list(). In JSON a time or a code that is not known is null. */
int dead_list_row(void *list, const struct dead_view *view);
/* Prints where `result` is 0; gives it back, or -1 where a row could not be written. */
int dead_list_end(struct dead_list *list, int result);

/* One dead letter whole: `json` as its envelope, `body` as just its bytes; else for people, with nothing in
 * it that could steer a terminal. `history` is what the list says of it, or NULL: its replays. */
int dead_show(const struct delivery *delivery, const struct dead_view *history, bool json, bool body,
              size_t max_bytes, struct fault *fault);
/* Its envelope to standard output. INPUT where it can be none. */
int dead_show_envelope(const struct delivery *delivery, size_t max_bytes, struct fault *fault);

#endif
