/*
 * deliver_batches - the engine's side of the recorder and of the keeper: outcomes in batches, and renewals
 */
#include "deliver_engine.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "msg.h"
#include "xalloc.h"

static void on_recorded(void *arg)
{
    struct deliver_record *record = arg;
    struct engine *engine = record->arg;
    size_t count = record->count, kept = 0;

    for (size_t i = 0; i < count; i++) {
        struct carried *carried = engine->settled[i];
        bool done = record->result == 0 && !carried->has_newer;

        carried->recorded = record->endings[i].recorded;
        carried->recording = false;
        if (done) {
            strmap_remove(&engine->carried, carried->delivery->id);
            engine_carried_free(carried);
            continue;
        }
        if (carried->has_newer) {
            queue_claim_release(&carried->claim);
            carried->claim = carried->newer;
            carried->newer = (struct queue_claim){0};
            carried->has_newer = false;
        }
        engine->settled[kept++] = carried;
    }
    memmove(engine->settled + kept, engine->settled + count,
            (engine->settled_count - count) * sizeof *engine->settled);
    engine->settled_count -= count - kept;
    engine->unsettled = record->result < 0;
    if (record->result < 0)
        engine_failed(engine, &record->fault);
    free(record->endings);
    free(record);
    if (engine->settled_count)
        engine_schedule(engine->settle_timer, engine->unsettled ? ENGINE_TURN_MS : 0);
    engine_want_round(engine); /* there is room again */
}

static struct deliver_record *next_batch(struct engine *engine)
{
    struct deliver_record *record = xcalloc(1, sizeof *record);

    record->store = engine->stream->record_store;
    record->queue = engine->stream->record_queue;
    record->count = engine->settled_count < ENGINE_SETTLE_BATCH ? engine->settled_count : ENGINE_SETTLE_BATCH;
    record->endings = xcalloc(record->count + 1, sizeof *record->endings);
    record->arg = engine;
    for (size_t i = 0; i < record->count; i++) {
        struct carried *carried = engine->settled[i];

        carried->recording = true;
        record->endings[i] = (struct deliver_ending){
            .claim = &carried->claim, .settlement = &carried->settlement, .recorded = carried->recorded};
    }
    return record;
}

void engine_on_settle(evutil_socket_t fd, short events, void *arg)
{
    struct engine *engine = arg;
    (void)fd;
    (void)events;

    if (!engine->settled_count || aside_is_busy(engine->recorder))
        return;
    if (clock_mono_ms() < engine->pause_until_ms)
        engine_schedule(engine->settle_timer, ENGINE_TURN_MS);
    else
        aside_post(engine->recorder, deliver_record_run, on_recorded, next_batch(engine));
}

void engine_record_rest(struct engine *engine)
{
    while (engine->settled_count) {
        struct deliver_record *record = next_batch(engine);
        size_t before = engine->settled_count;

        deliver_record_run(record);
        on_recorded(record);
        if (engine->settled_count >= before)
            return;
    }
}

/* Claims that are being worked on, copied. */
struct renewal {
    struct queue *queue;
    struct queue_claims claims;
};

/* A lost claim needs nothing: what became of it is fenced in PostgreSQL, and a success counts. */
static void renew_run(void *arg)
{
    struct renewal *renewal = arg;
    size_t count = renewal->claims.count;
    const struct queue_claim **claims = xcalloc(count + 1, sizeof *claims);
    bool *lost = xcalloc(count + 1, sizeof *lost);
    struct fault problem = {0};

    for (size_t i = 0; i < count; i++)
        claims[i] = &renewal->claims.items[i];
    if (queue_renew(renewal->queue, claims, count, lost, &problem) < 0)
        msg(MSG_DEBUG, "%s", problem.text);
    free(lost);
    free(claims);
}

static void on_renewed(void *arg)
{
    struct renewal *renewal = arg;

    queue_claims_release(&renewal->claims);
    free(renewal);
}

void engine_renew(struct engine *engine, int64_t now_ms)
{
    if (now_ms < engine->renew_at_ms || aside_is_busy(engine->keeper))
        return;
    engine->renew_at_ms = now_ms + engine->stream->lease_ms / 3;
    struct renewal *renewal = xcalloc(1, sizeof *renewal);
    renewal->queue = engine->stream->renew_queue;
    engine_all_claims(engine, &renewal->claims);
    if (renewal->claims.count)
        aside_post(engine->keeper, renew_run, on_renewed, renewal);
    else
        free(renewal);
}
