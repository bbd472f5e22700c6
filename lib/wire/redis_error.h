/*
 * redis_error - what an error reply means for the caller
 */
#ifndef DIST_REDIS_ERROR_H
#define DIST_REDIS_ERROR_H

#include <hiredis/hiredis.h>
#include "fault.h"

enum redis_remedy {
    REDIS_REMEDY_NONE,
    REDIS_REMEDY_REPLACE, /* another connection may do better */
    REDIS_REMEDY_SEEK,    /* another server may: of use where a Sentinel names it */
};

/* The class of an error reply (BUG for those that are not known), and what helps. */
enum fault_class redis_error_class(const redisReply *reply, enum redis_remedy *remedy);

#endif
