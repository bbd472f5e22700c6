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

struct dead_list {
    bool json;
    struct table table;
    struct fault *fault;
};
void dead_list_begin(struct dead_list *list, bool json, struct fault *fault);
int dead_list_row(void *list, const struct dead_view *view); /* for store_dead_list() */
int dead_list_end(struct dead_list *list, int result);       /* prints where result is 0; gives it back */

/* One dead letter whole: `json` as its envelope, `body` as just its bytes. */
int dead_show(const struct delivery *delivery, bool json, bool body, uint64_t max_payload,
              struct fault *fault);

#endif
