/*
 * deliver_record - see deliver_record.h
 */
#include "deliver_record.h"

#include <stdlib.h>

#include "crash.h"
#include "xalloc.h"

/* What PostgreSQL has already is not recorded again. */
static int commit(struct deliver_record *record)
{
    struct settlement *items = xcalloc(record->count + 1, sizeof *items);
    size_t count = 0;

    for (size_t i = 0; i < record->count; i++)
        if (!record->endings[i].recorded)
            items[count++] = *record->endings[i].settlement;
    int result = count ? store_settle(record->store, items, count, &record->fault) : 0;
    for (size_t i = 0; result == 0 && i < record->count; i++)
        record->endings[i].recorded = true;
    free(items);
    return result;
}

/* A success is sticky: it goes wherever its id is by now. */
static int acknowledge(struct deliver_record *record)
{
    struct queue_finish *finished = xcalloc(record->count + 1, sizeof *finished);

    for (size_t i = 0; i < record->count; i++)
        finished[i] = (struct queue_finish){
            .claim = record->endings[i].claim,
            .ended = record->endings[i].settlement->verdict.status == DELIVERY_DELIVERED,
        };
    int result = queue_finish(record->queue, finished, record->count, &record->fault);
    free(finished);
    return result;
}

void deliver_record_run(void *arg)
{
    struct deliver_record *record = arg;

    record->result = commit(record);
    if (record->result < 0)
        return;
    crash_point("deliver:recorded");
    record->result = acknowledge(record);
    crash_point("deliver:acknowledged");
}
