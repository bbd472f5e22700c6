/*
 * gate - who may start an attempt now, in this process: windows, the caps of tenants, the limit of all
 *
 * Per destination an adaptive window (model/window.h) up to its `concurrency`; per tenant a cap, so that none
 * takes all there is; and a limit in all. Whoever takes work asks for room first, so that nothing waits in
 * memory behind something slow. What all workers share (breaker, pause, rate) is in wire/holds.h.
 *
 * A destination is named by its key: delivery_destination_key().
 */
#ifndef DIST_GATE_H
#define DIST_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "strmap.h"

struct gate {
    struct strmap windows; /* key of a destination to struct gate_window * */
    struct strmap tenants; /* name to the number of its attempts in flight */
    size_t total, limit, tenant_limit;
};

void gate_init(struct gate *gate, size_t limit, size_t tenant_limit);
void gate_release(struct gate *gate);

/* Attempts that may be started now: in all, to one destination, of one tenant; each for itself. */
size_t gate_room(const struct gate *gate);
size_t gate_destination_room(const struct gate *gate, const char *key, size_t concurrency);
size_t gate_tenant_room(const struct gate *gate, const char *tenant);

/* How an attempt ended, for the window. */
enum gate_result {
    GATE_NOTHING,  /* it says nothing about the destination: none was made, or it was given up here */
    GATE_SUCCESS,  /* the destination answered, if only to refuse a report */
    GATE_FAILURE,  /* it did not work; that is the breaker's matter */
    GATE_OVERLOAD, /* it is asked too much, or did not answer in time */
};
void gate_enter(struct gate *gate, const char *key, size_t concurrency, const char *tenant);
void gate_leave(struct gate *gate, const char *key, const char *tenant, enum gate_result result,
                int64_t started_ms, int64_t now_ms);
/* The breaker of the destination was open: it begins again with a small window (slow start). */
void gate_restart(struct gate *gate, const char *key);
/* Takes a slot of the destination's rate, for whom no other worker shares it with (a filter): 0, or how long
 * to wait for the next one. As in wire/holds.h one second's worth is saved up, and at least one. */
int64_t gate_pace_ms(struct gate *gate, const char *key, size_t concurrency, double rate_per_s,
                     int64_t now_us);
/* The size of its window; 0: it has none now. */
size_t gate_window(const struct gate *gate, const char *key);

#endif
