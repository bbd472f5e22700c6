/*
 * queue_scripts - the Lua that runs in Redis for queue.h and holds.h
 *
 * KEYS are the streams of the call, or one other key where it has none: they tell a Redis Cluster the slot.
 * ARGV[1] is "dist:{p}:", ARGV[2] the owner; further values are named at each script. All other keys are made
 * inside, from ARGV[1]: which ones a call needs is not known before it, and the hash tag puts them into the
 * slot of the streams.
 */
#ifndef DIST_QUEUE_SCRIPTS_H
#define DIST_QUEUE_SCRIPTS_H

#include "redis.h"

enum queue_script {
    QUEUE_SCRIPT_PUBLISH,
    QUEUE_SCRIPT_FETCH,
    QUEUE_SCRIPT_HOP,
    QUEUE_SCRIPT_FINISH,
    QUEUE_SCRIPT_RELEASE,
    QUEUE_SCRIPT_RENEW,
    QUEUE_SCRIPT_REAP,
    QUEUE_SCRIPT_RECALL,
    QUEUE_SCRIPT_FIND,
    QUEUE_SCRIPT_EPOCH,
    QUEUE_SCRIPT_SURVEY,
    QUEUE_SCRIPT_HOLDS,
    QUEUE_SCRIPT_REPORT,
    QUEUE_SCRIPT_LIFT,
    QUEUE_SCRIPT_PROBE,
    QUEUE_SCRIPT_GRANT,
    QUEUE_SCRIPT_COUNT
};

/* Fills in names and texts, which the array owns; a connection has its own array. */
void queue_scripts_init(struct redis_script scripts[QUEUE_SCRIPT_COUNT]);
void queue_scripts_release(struct redis_script scripts[QUEUE_SCRIPT_COUNT]);

#endif
