/*
 * transfer - what mail (smtp.h) and SFTP (sftp.h) have in common: whom they connect to, and how it can end
 *
 * Both are libcurl's, which waits by itself: they block, each call until the deadline that it is given, and
 * belong on a thread of their own. http_new() has started libcurl.
 */
#ifndef DIST_TRANSFER_H
#define DIST_TRANSFER_H

#include "guard.h"

enum transfer_result {
    TRANSFER_DONE,
    TRANSFER_ANSWERED,        /* the server refuses, with a code */
    TRANSFER_TIMEOUT,         /* the deadline has come */
    TRANSFER_CONNECT,         /* no such name, or no connection */
    TRANSFER_REFUSED_ADDRESS, /* the guard refused every address of the name */
    TRANSFER_TLS,             /* no trusted TLS */
    TRANSFER_HOST_KEY,        /* not the key of a host that is known */
    TRANSFER_LOGIN,           /* not let in */
    TRANSFER_SHORTAGE,        /* this process may open no further socket, or has no memory for one */
    TRANSFER_BROKEN,          /* the connection ended, or what came is not the protocol */
};

enum { TRANSFER_TEXT_SIZE = 400 };

/* Borrowed until the connection is freed. */
struct transfer_peer {
    const char *host;
    int port;
    struct guard guard; /* of every address that is connected to */
    /* As soon as there is a socket, before it is connected; it stays the connection's. */
    void (*opened)(void *arg, int fd);
    void *arg;
};

#endif
