/*
 * gate - see gate.h
 */
#include "gate.h"

#include <stdlib.h>

#include "xalloc.h"

struct gate_count {
    size_t count;
};

void gate_init(struct gate *gate, size_t total_limit)
{
    *gate = (struct gate){.limit = total_limit};
    strmap_init(&gate->in_flight);
}

void gate_release(struct gate *gate)
{
    strmap_release(&gate->in_flight, free);
}

size_t gate_room(const struct gate *gate)
{
    return gate->total < gate->limit ? gate->limit - gate->total : 0;
}

size_t gate_room_for(const struct gate *gate, const struct destination *destination)
{
    const struct gate_count *own = strmap_get(&gate->in_flight, destination->name);
    size_t used = own ? own->count : 0;
    size_t limit = (size_t)destination->concurrency;
    size_t room = used < limit ? limit - used : 0;
    return room < gate_room(gate) ? room : gate_room(gate);
}

void gate_enter(struct gate *gate, const struct destination *destination)
{
    struct gate_count *own = strmap_get(&gate->in_flight, destination->name);
    if (!own) {
        own = xcalloc(1, sizeof *own);
        strmap_put(&gate->in_flight, destination->name, own);
    }
    own->count++;
    gate->total++;
}

void gate_leave(struct gate *gate, const struct destination *destination)
{
    struct gate_count *own = strmap_get(&gate->in_flight, destination->name);
    gate->total--;
    if (!--own->count)
        free(strmap_remove(&gate->in_flight, destination->name));
}
