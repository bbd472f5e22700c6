/*
 * gate - see gate.h
 */
#include "gate.h"

#include <stdlib.h>

#include "window.h"
#include "xalloc.h"

/* Requests may bring destinations along: of so many nothing is remembered when they are done. */
enum { REMEMBERED = 1000 };

struct gate_window {
    struct window window;
    size_t in_flight;
    int64_t next_us; /* the next slot of its rate */
};

struct gate_count {
    size_t count;
};

void gate_init(struct gate *gate, size_t limit, size_t tenant_limit)
{
    *gate = (struct gate){.limit = limit, .tenant_limit = tenant_limit};
    strmap_init(&gate->windows);
    strmap_init(&gate->tenants);
}

void gate_release(struct gate *gate)
{
    strmap_release(&gate->windows, free);
    strmap_release(&gate->tenants, free);
}

size_t gate_room(const struct gate *gate)
{
    return gate->total < gate->limit ? gate->limit - gate->total : 0;
}

size_t gate_destination_room(const struct gate *gate, const char *key, size_t concurrency)
{
    const struct gate_window *own = strmap_get(&gate->windows, key);
    struct window window;

    if (own)
        window = own->window;
    else
        window_init(&window, concurrency);
    window_limit(&window, concurrency); /* a reload may have changed it */
    return window_room(&window, own ? own->in_flight : 0);
}

size_t gate_tenant_room(const struct gate *gate, const char *tenant)
{
    const struct gate_count *own = strmap_get(&gate->tenants, tenant);
    size_t used = own ? own->count : 0;

    return used < gate->tenant_limit ? gate->tenant_limit - used : 0;
}

static struct gate_window *window_of(struct gate *gate, const char *key, size_t concurrency)
{
    struct gate_window *own = strmap_get(&gate->windows, key);

    if (own)
        return own;
    own = xcalloc(1, sizeof *own);
    window_init(&own->window, concurrency);
    strmap_put(&gate->windows, key, own);
    return own;
}

int64_t gate_pace_ms(struct gate *gate, const char *key, size_t concurrency, double rate_per_s,
                     int64_t now_us)
{
    struct gate_window *own = window_of(gate, key, concurrency);
    int64_t step_us = (int64_t)(1e6 / rate_per_s);
    int64_t saved_us = step_us < 1000000 ? 1000000 - step_us : 0;

    if (own->next_us < now_us - saved_us)
        own->next_us = now_us - saved_us;
    if (own->next_us > now_us)
        return (own->next_us - now_us) / 1000 + 1;
    own->next_us += step_us;
    return 0;
}

void gate_enter(struct gate *gate, const char *key, size_t concurrency, const char *tenant)
{
    struct gate_window *own = window_of(gate, key, concurrency);
    struct gate_count *count = strmap_get(&gate->tenants, tenant);

    if (!count) {
        count = xcalloc(1, sizeof *count);
        strmap_put(&gate->tenants, tenant, count);
    }
    window_limit(&own->window, concurrency);
    window_enter(&own->window, ++own->in_flight);
    count->count++;
    gate->total++;
}

void gate_leave(struct gate *gate, const char *key, const char *tenant, enum gate_result result,
                int64_t started_ms, int64_t now_ms)
{
    struct gate_window *own = strmap_get(&gate->windows, key);
    struct gate_count *count = strmap_get(&gate->tenants, tenant);

    gate->total--;
    if (!--count->count)
        free(strmap_remove(&gate->tenants, tenant));
    if (result == GATE_SUCCESS)
        window_success(&own->window, started_ms, now_ms);
    else if (result == GATE_OVERLOAD)
        window_overload(&own->window, started_ms, now_ms);
    if (!--own->in_flight && gate->windows.count > REMEMBERED)
        free(strmap_remove(&gate->windows, key));
}

void gate_restart(struct gate *gate, const char *key)
{
    struct gate_window *own = strmap_get(&gate->windows, key);

    if (own)
        window_restart(&own->window);
}

size_t gate_window(const struct gate *gate, const char *key)
{
    const struct gate_window *own = strmap_get(&gate->windows, key);

    return own ? (size_t)own->window.size : 0;
}
