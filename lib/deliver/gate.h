/*
 * gate - who may start an attempt now: the place of limits, windows and breakers
 *
 * Per destination at most its own `concurrency` attempts are in flight in this process, and at most `total`
 * in all. Whoever takes work asks for room first, so that nothing waits in memory behind something slow.
 */
#ifndef DIST_GATE_H
#define DIST_GATE_H

#include <stddef.h>
#include "destination.h"
#include "strmap.h"

struct gate {
    struct strmap in_flight; /* name of a destination to struct gate_count * */
    size_t total, limit;
};

void gate_init(struct gate *gate, size_t total_limit);
void gate_release(struct gate *gate);
/* Attempts that may be started now, in all and for one destination. */
size_t gate_room(const struct gate *gate);
size_t gate_room_for(const struct gate *gate, const struct destination *destination);
void gate_enter(struct gate *gate, const struct destination *destination);
void gate_leave(struct gate *gate, const struct destination *destination);

#endif
