/*
 * queue_call - how queue*.c name their keys and call their scripts; nobody else includes this
 *
 * A call is built as: begin, keys, values, further values; then run alone, or appended to a pipeline. Texts
 * are copied into it.
 */
#ifndef DIST_QUEUE_CALL_H
#define DIST_QUEUE_CALL_H

#include "buf.h"
#include "queue.h"
#include "queue_scripts.h"

struct queue {
    struct redis *redis;
    char *owner;
    unsigned partitions;
    unsigned bell_turn; /* the partition whose bell is waited for next */
    struct redis_script scripts[QUEUE_SCRIPT_COUNT];
    struct queue_turn { /* where the last queue_reap() of the stage ended, for the next one to go on */
        char *lane;     /* NULL: none so far */
        unsigned partition;
        char cursor[32]; /* in that lane; "": it was done */
    } turns[QUEUE_STAGE_COUNT];
};

/* The one place that names keys. "dist:{0}:", "dist:{0}:ready:<lane>"; the caller's. */
char *queue_key(unsigned partition, const char *name);
char *queue_stream(unsigned partition, enum queue_stage stage, const char *lane);

/* What parts the fields of a record, record_text() in queue_scripts.c: no lane has any. */
#define QUEUE_BLANKS " \t\n\v\f\r"

int queue_check_id(const char *id, struct fault *fault);
int queue_check_items(const struct queue_item *items, size_t count, struct fault *fault);
int queue_check_lane(const char *lane, struct fault *fault);

struct queue_call {
    enum queue_script script;
    unsigned partition;
    int keys;
    struct buf text; /* all arguments, each with its NUL */
    size_t *starts;
    size_t count, cap;
};
void queue_call_begin(struct queue_call *call, enum queue_script script, unsigned partition);
/* "dist:{p}:<name>" */
void queue_call_key(struct queue_call *call, const char *name);
void queue_call_whole_key(struct queue_call *call, const char *key);
void queue_call_stream(struct queue_call *call, enum queue_stage stage, const char *lane);
void queue_call_values(struct queue_call *call, const struct queue *queue);
void queue_call_value(struct queue_call *call, const char *value);
void queue_call_number(struct queue_call *call, long long value);
/* Runs the call and releases it. NULL on a fault. */
redisReply *queue_call_run(struct queue *queue, struct queue_call *call, struct fault *fault);

/* Many calls of one script: `build` sets the partition of call `index` and adds its keys and values, `answer`
 * (may be NULL) gets its reply. Sent in pipelines of a bounded size. The first error ends it with its fault,
 * after the replies of its pipeline. */
struct queue_work {
    enum queue_script script;
    size_t count;
    void (*build)(const struct queue *queue, struct queue_call *call, const void *items, size_t index);
    const void *items;
    void (*answer)(void *arg, size_t index, const redisReply *reply);
    void *arg;
};
int queue_work(struct queue *queue, const struct queue_work *work, struct fault *fault);

/* Appends the claims of entry, id, crashes, entry, ... from element `first` of the reply on. */
int queue_claims_read(struct queue_claims *claims, unsigned partition, const char *stream,
                      const redisReply *reply, size_t first, struct fault *fault);

#endif
