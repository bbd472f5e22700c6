/*
 * redis_parts - what the files of redis.h share; nobody else includes it
 */
#ifndef DIST_REDIS_PARTS_H
#define DIST_REDIS_PARTS_H

#include "redis.h"
#include "redis_cluster.h"
#include "redis_node.h"
#include "redis_sentinel.h"

struct redis {
    struct redis_login login, sentinel_login;
    struct tls_config tls;
    struct fault mistake; /* of the settings; class NONE: there is none */
    char *address;
    unsigned generation;
    struct redis_node *node;         /* the server, or the master; NULL: a cluster */
    struct redis_sentinel *sentinel; /* or NULL */
    struct redis_cluster *cluster;   /* or NULL */
    struct redis_request *requests;  /* the pipeline: appended, not sent */
    size_t count, cap;
};

#endif
