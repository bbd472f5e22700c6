/*
 * transfer_parts - one handle of libcurl, as smtp.c and sftp.c use it; inside of lib/wire
 */
#ifndef DIST_TRANSFER_PARTS_H
#define DIST_TRANSFER_PARTS_H

#include <stddef.h>
#include <stdint.h>
#include <curl/curl.h>
#include "transfer.h"

struct transfer {
    CURL *easy;
    const struct transfer_peer *peer;
    bool may_open;       /* without it a transfer that needs a new connection ends as BROKEN */
    bool opened;         /* a socket, in this run */
    int fd;              /* the last socket, or -1 before there was one; libcurl's */
    int shortage;        /* errno of a socket that this system refused, or 0 */
    const char *refused; /* the network of the last address that the guard refused, or NULL */
    char error[CURL_ERROR_SIZE];
};

/*
 * A handle that uses no proxy, no .netrc, no signals and no protocol but `protocols` ("smtp,smtps"). -1:
 * libcurl has no memory, or cannot do that. The struct must not move.
 */
int transfer_init(struct transfer *transfer, const struct transfer_peer *peer, const char *protocols);
void transfer_release(struct transfer *transfer); /* closes the connection; zeroed memory is fine */
/* Performs what was set, until the deadline (monotonic clock). */
CURLcode transfer_run(struct transfer *transfer, int64_t deadline_ms);
/* What a failure is, where the protocol knows no better; never DONE or ANSWERED. The text is printable. */
enum transfer_result transfer_judge(const struct transfer *transfer, CURLcode code,
                                    char text[TRANSFER_TEXT_SIZE]);

#endif
