/*
 * namenode - a namenode and a datanode that speak WebHDFS, as the page "WebHDFS REST API" of Apache Hadoop
 * has it, over a folder of this machine
 *
 * CREATE and OPEN are sent to the datanode by a 307, as there; CREATE makes the folders; RENAME says false
 * where the target is there, and moves into it and says true where it is a folder. Errors are
 * RemoteExceptions. No code of Hadoop is in it. It works on the event loop that it is given.
 */
#ifndef DIST_TEST_NAMENODE_H
#define DIST_TEST_NAMENODE_H

#include <stdbool.h>
#include "buf.h"

struct event_base;
struct little_http;

struct namenode {
    struct little_http *names, *data;
    const char *folder;   /* what is "/" there; borrowed */
    const char *token;    /* the delegation token that is wanted, or NULL: a user.name is wanted */
    const char *location; /* in place of the datanode's URL up to "/webhdfs", or NULL */
    struct buf log;       /* "CREATE /a/.b.tmp user=dist\n", of the datanode "DATA CREATE ...\n" */

    /* An error in place of the answer to an operation ("CREATE", "DATA CREATE"), so often (< 0: always). */
    const char *failing;
    int times, status;
    const char *exception; /* NULL: `body` */
    const char *body;
    bool drop, hang;
};

/* Ports 0: free ones. -1: a port is taken. The other members are zero, or the caller's to set afterwards. */
int namenode_start(struct namenode *namenode, struct event_base *base, const char *folder, int port,
                   int data_port);
void namenode_stop(struct namenode *namenode);
int namenode_port(const struct namenode *namenode);

#endif
