/*
 * amqp_late - messages whose attempts are over, but not their confirms
 *
 * A broker that is blocked leaves in its socket what was published to it, and takes it when it is unblocked:
 * the attempts were deferred by then. So their confirms are kept, as long as the connection is: the next
 * attempt of the same message is told, or waits for it, and publishes nothing a second time.
 */
#ifndef DIST_AMQP_LATE_H
#define DIST_AMQP_LATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AMQP_LATE_MAX = 1000 }; /* where there are more, the oldest are forgotten: they are published again */

struct amqp_late_message {
    char *id;
    uint64_t tag;
    bool confirmed;
};
struct amqp_late {
    struct amqp_late_message items[AMQP_LATE_MAX];
    size_t count;
};

/* Contents only; zeroed memory is fine. Of a channel that is gone nothing is heard any more. */
void amqp_late_clear(struct amqp_late *late);
void amqp_late_add(struct amqp_late *late, const char *id, uint64_t tag);
/* A confirm, of the tag alone or of all up to it: those that were not taken are forgotten. */
void amqp_late_confirm(struct amqp_late *late, uint64_t tag, bool multiple, bool taken);
void amqp_late_forget(struct amqp_late *late, const char *id);

enum amqp_late_state { AMQP_LATE_UNKNOWN, AMQP_LATE_CONFIRMED, AMQP_LATE_OPEN };
enum amqp_late_state amqp_late_find(const struct amqp_late *late, const char *id, uint64_t *tag);
/* Whether a confirm of any may come still. */
bool amqp_late_is_open(const struct amqp_late *late);

#endif
