/*
 * redis_link - one socket to a Redis server, plain or TLS, that never blocks but in redis_link_open()
 *
 * Bytes of commands go in, replies come out. Waiting is the caller's (poll(2)). Whatever fails closes the
 * link; faults carry the link's name. UNAVAILABLE but for what tls.h and dial.h call CONFIG or SYSTEM.
 */
#ifndef DIST_REDIS_LINK_H
#define DIST_REDIS_LINK_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "fault.h"
#include "tls.h"

struct redis_link;
struct redis_link *redis_link_new(const char *name); /* copied; closed */
void redis_link_free(struct redis_link *link);
void redis_link_rename(struct redis_link *link, const char *name);
const char *redis_link_name(const struct redis_link *link);

/* Where to and how; borrowed for the call. */
struct redis_link_target {
    const char *host;
    int port;
    const struct tls_config *tls; /* NULL: plain */
    const char *tls_name;         /* what the certificate must carry; NULL: the host */
};
/* Connects, with the handshake, by the deadline (monotonic clock). An open link is closed before. */
int redis_link_open(struct redis_link *link, const struct redis_link_target *target, int64_t deadline_ms,
                    struct fault *fault);
void redis_link_close(struct redis_link *link);
bool redis_link_is_open(const struct redis_link *link);
int redis_link_fd(const struct redis_link *link); /* -1: closed */
/* While nothing is outstanding: the server has closed, or sent what answers nothing. */
bool redis_link_is_stale(struct redis_link *link);
/* Closes it, with a fault: "NAME: why". Returns -1. */
int redis_link_fail(struct redis_link *link, enum fault_class class, const char *why, struct fault *fault);

/*
 * Hands over what the socket takes now; `*taken` bytes of the parts (count of them) need not be sent again. A
 * socket that broke takes nothing from then on, and is no fault yet: a server that refuses a client says why
 * before it closes, so it is read to its end.
 */
int redis_link_send(struct redis_link *link, const struct iovec *parts, size_t count, size_t *taken,
                    struct fault *fault);
/* What to wait for with poll(2); `more`: there is more to send. */
short redis_link_events(const struct redis_link *link, bool more);
/* Reads what is there, once. */
int redis_link_receive(struct redis_link *link, struct fault *fault);
/* The next reply that came whole, the caller's; NULL: none yet. */
int redis_link_reply(struct redis_link *link, redisReply **reply, struct fault *fault);

#endif
