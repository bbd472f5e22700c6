/*
 * redis_error - see redis_error.h
 */
#include "redis_error.h"

#include <string.h>

static const struct {
    const char *start; /* of the error's text */
    enum fault_class class;
    enum redis_remedy remedy;
} errors[] = {
    {"LOADING ", FAULT_TEMP, REDIS_REMEDY_NONE},
    {"OOM ", FAULT_TEMP, REDIS_REMEDY_NONE},
    {"BUSY ", FAULT_TEMP, REDIS_REMEDY_NONE},
    {"NOSCRIPT ", FAULT_TEMP, REDIS_REMEDY_NONE},    /* forgotten again right after it was loaded */
    {"MISCONF ", FAULT_TEMP, REDIS_REMEDY_NONE},     /* writes are refused while snapshots fail */
    {"NOREPLICAS ", FAULT_TEMP, REDIS_REMEDY_SEEK},  /* maybe a master that was cut off */
    {"READONLY ", FAULT_TEMP, REDIS_REMEDY_REPLACE}, /* a replica now */
    {"MASTERDOWN ", FAULT_TEMP, REDIS_REMEDY_REPLACE},
    {"UNBLOCKED ", FAULT_TEMP, REDIS_REMEDY_REPLACE},
    {"ERR max number of clients", FAULT_TEMP, REDIS_REMEDY_REPLACE},
    {"NOAUTH ", FAULT_CONFIG, REDIS_REMEDY_REPLACE},
    {"WRONGPASS ", FAULT_CONFIG, REDIS_REMEDY_REPLACE},
    {"NOPERM ", FAULT_CONFIG, REDIS_REMEDY_NONE},
    {"DENIED ", FAULT_CONFIG, REDIS_REMEDY_REPLACE}, /* protected mode */
    /* A cluster that is being changed. */
    {"MOVED ", FAULT_TEMP, REDIS_REMEDY_NONE},
    {"ASK ", FAULT_TEMP, REDIS_REMEDY_NONE},
    {"TRYAGAIN ", FAULT_TEMP, REDIS_REMEDY_NONE},
    {"CLUSTERDOWN ", FAULT_TEMP, REDIS_REMEDY_NONE},
    /* A script met a key of its slot that has gone to the slot's next node. */
    {"ERR Script attempted to access a non local key", FAULT_TEMP, REDIS_REMEDY_NONE},
};

enum fault_class redis_error_class(const redisReply *reply, enum redis_remedy *remedy)
{
    *remedy = REDIS_REMEDY_NONE;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strncmp(reply->str, errors[i].start, strlen(errors[i].start)) == 0) {
            *remedy = errors[i].remedy;
            return errors[i].class;
        }
    return FAULT_BUG;
}
