/*
 * redis_cluster - the nodes of a Redis Cluster: who serves which slot, and what their answers say about it
 *
 * The map comes from CLUSTER SLOTS, and is asked for again when a node says MOVED or CLUSTERDOWN, or is gone.
 * A call asks for the nodes of its requests, sends them, and shows their replies to redis_cluster_redirect().
 */
#ifndef DIST_REDIS_CLUSTER_H
#define DIST_REDIS_CLUSTER_H

#include "address.h"
#include "redis_node.h"

struct redis_cluster;
/* Takes the addresses of the seeds (left empty) and borrows the rest; `opened` grows by one with every
 * connection that is made. `name` is what faults begin with. */
struct redis_cluster *redis_cluster_new(struct addresses *seeds, const char *name,
                                        const struct redis_login *login, unsigned *opened);
void redis_cluster_free(struct redis_cluster *cluster);
void redis_cluster_close(struct redis_cluster *cluster);
int redis_cluster_fd(const struct redis_cluster *cluster); /* of some node; -1: none is open */

/* A round of sending begins: connections are looked at anew. Nodes that left the cluster are given up where
 * `first` (of a call): none of them is in use then. */
void redis_cluster_begin(struct redis_cluster *cluster, bool first);
/* The open node that serves the slot, or any (REDIS_SLOT_NONE); NULL: fault. Valid until the next call. */
struct redis_node *redis_cluster_node(struct redis_cluster *cluster, int slot, int64_t deadline_ms,
                                      struct fault *fault);
/* Opens the node that an ASK has named. */
int redis_cluster_open(struct redis_cluster *cluster, struct redis_node *node, int64_t deadline_ms,
                       struct fault *fault);
/* Looks at the reply of a request. True: it says that another node is meant, now known, or named by
 * request->ask; the request is to be sent again. */
bool redis_cluster_redirect(struct redis_cluster *cluster, struct redis_request *request);
/* A node did not answer: the map may be another one soon. */
void redis_cluster_doubt(struct redis_cluster *cluster);

#endif
