/*
 * conn - the connections: read a request, record it, answer as its path says
 */
#ifndef RECEIVER_CONN_H
#define RECEIVER_CONN_H

#include <stdint.h>
#include <sys/queue.h>

#include <event2/event.h>
#include <event2/util.h>

#include "behaviour.h"
#include "record.h"

struct conn;

struct receiver {
    struct event_base *base;
    struct record *record;
    struct tallies tallies;
    LIST_HEAD(conn_list, conn) conns;
    uint64_t conn_count; /* accepted so far */
    bool quiet;
};

/* Takes the socket. */
void conn_accept(struct receiver *receiver, evutil_socket_t fd);

void conn_free_all(struct receiver *receiver);

#endif
