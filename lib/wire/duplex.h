/*
 * duplex - one connected socket, plain or TLS, with what is to be sent and what came
 *
 * Whoever speaks a protocol appends to `out`, takes from `in`, and calls duplex_turn() until it has what it
 * waits for: both directions move at once, so that a peer that does not read cannot keep what it says from
 * being heard.
 *
 * Blocks only in duplex_turn() and in the handshake of duplex_new(), never past the time that is given.
 * Faults are UNAVAILABLE but for what tls.h calls CONFIG and SYSTEM.
 */
#ifndef DIST_DUPLEX_H
#define DIST_DUPLEX_H

#include <stdbool.h>
#include <stdint.h>
#include "buf.h"
#include "fault.h"
#include "tls.h"

enum { DUPLEX_ROOM = 48 * 1024 }; /* `in` reads no further where less is left */

struct duplex {
    int fd;
    struct tls *tls;              /* NULL: plain */
    struct buf in;                /* what came and was not taken yet */
    struct buf out;               /* what is to be sent, as it was appended */
    size_t out_sent;              /* of `out` */
    struct buf cipher;            /* encrypted bytes for the socket */
    size_t cipher_sent;           /* of them */
    int64_t sent_ms, received_ms; /* when the last byte went and came (monotonic clock) */
};

/*
 * Takes the non-blocking socket (dial.h), which is closed by duplex_free() and where this fails. With `tls`
 * (NULL: plain) the handshake is done, by the deadline; `name` is what the peer's certificate must carry.
 * `in` and `out` have the ceilings that are given; `in` needs DUPLEX_ROOM beside the largest thing that is
 * taken from it at once.
 */
struct duplex *duplex_new(int fd, const struct tls_config *tls, const char *name, size_t in_max,
                          size_t out_max, int64_t deadline_ms, struct fault *fault);
/* Closes at once: what was not sent is dropped. NULL is fine. */
void duplex_free(struct duplex *duplex);

/* Bytes that the socket has not taken yet. */
size_t duplex_unsent(const struct duplex *duplex);
/*
 * Sends what the socket takes and reads what is there; where neither can be, waits until `until_ms`. 1:
 * something moved; 0: the time is over; -1: fault. What came before the fault is in `in` still.
 */
int duplex_turn(struct duplex *duplex, int64_t until_ms, struct fault *fault);
/* Takes the first bytes of `in` away. */
void duplex_take(struct duplex *duplex, size_t size);

#endif
