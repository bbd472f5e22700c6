/*
 * queue_scripts - the Lua that runs in Redis for queue.c
 *
 * Every call has the same head: KEYS[1] lanes, [2] quarantine, [3] [4] [5] the bells of submitted, routed,
 * ready, then the streams of the call from KEYS[6] on; ARGV[1] is "dist:{p}:", ARGV[2] the owner. Further
 * values are named at each script. Keys "dist:{p}:d:<id>" are made inside, from ARGV[1]: ids are not known
 * before a fetch, and the hash tag puts them into the slot of the others.
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
    QUEUE_SCRIPT_PRESENT,
    QUEUE_SCRIPT_EPOCH,
    QUEUE_SCRIPT_DEPTH,
    QUEUE_SCRIPT_COUNT
};

/* Fills in names and texts, which the array owns; a connection has its own array. */
void queue_scripts_init(struct redis_script scripts[QUEUE_SCRIPT_COUNT]);
void queue_scripts_release(struct redis_script scripts[QUEUE_SCRIPT_COUNT]);

#endif
