/*
 * amqp_late - see amqp_late.h
 */
#include "amqp_late.h"

#include <stdlib.h>
#include <string.h>
#include "xalloc.h"

static void drop(struct amqp_late *late, size_t i)
{
    free(late->items[i].id);
    late->count--;
    memmove(&late->items[i], &late->items[i + 1], (late->count - i) * sizeof late->items[i]);
}

void amqp_late_clear(struct amqp_late *late)
{
    for (size_t i = 0; i < late->count; i++)
        free(late->items[i].id);
    late->count = 0;
}

void amqp_late_add(struct amqp_late *late, const char *id, uint64_t tag)
{
    amqp_late_forget(late, id);
    if (late->count == AMQP_LATE_MAX)
        drop(late, 0);
    late->items[late->count++] = (struct amqp_late_message){.id = xstrdup(id), .tag = tag};
}

void amqp_late_confirm(struct amqp_late *late, uint64_t tag, bool multiple, bool taken)
{
    for (size_t i = 0; i < late->count;) {
        struct amqp_late_message *item = &late->items[i];
        bool meant = !item->confirmed && (item->tag == tag || (multiple && item->tag < tag));
        if (meant && !taken) {
            drop(late, i);
            continue;
        }
        item->confirmed = item->confirmed || meant;
        i++;
    }
}

static size_t find(const struct amqp_late *late, const char *id)
{
    size_t i = 0;

    while (i < late->count && strcmp(late->items[i].id, id) != 0)
        i++;
    return i;
}

void amqp_late_forget(struct amqp_late *late, const char *id)
{
    size_t i = find(late, id);

    if (i < late->count)
        drop(late, i);
}

enum amqp_late_state amqp_late_find(const struct amqp_late *late, const char *id, uint64_t *tag)
{
    size_t i = find(late, id);

    if (i == late->count)
        return AMQP_LATE_UNKNOWN;
    *tag = late->items[i].tag;
    return late->items[i].confirmed ? AMQP_LATE_CONFIRMED : AMQP_LATE_OPEN;
}

bool amqp_late_is_open(const struct amqp_late *late)
{
    for (size_t i = 0; i < late->count; i++)
        if (!late->items[i].confirmed)
            return true;
    return false;
}
