/*
 * crew - protocols whose client library blocks: a thread per destination in use, which owns its connection
 *
 * An adapter that works this way is a const struct crew_kind; its start() is crew_start(), its cancel()
 * crew_cancel(), its check() crew_check(). Attempts are put into a mailbox from the event loop; the thread of
 * the destination takes all that wait, up to a batch, as errands, works on them over its one connection, and
 * hands each outcome back, one by one or all at the end. Destinations whose forms are equal share one thread,
 * where the address guard judges alike for them: a connection that one tenant may have is not another's. So a
 * reload that changes a form gets a new connection, and the old one ends when its errands have.
 *
 * Who has what: the functions of a kind run on the thread, never two of them at once for one connection, and
 * see only what is handed to them, which are copies of the attempt's. `done` is called in the event loop. A
 * credential that was renewed is used for the next connection; the one that is open stays.
 *
 * Deadlines: timeout_ms runs from crew_start(), and covers the wait for a thread, the opening and the work.
 * When it is over the loop reports EVENT_TIMEOUT by itself, whatever the library does (EVENT_SYSTEM where
 * there was no thread to begin with it). When nobody waits for what a thread is doing any more, its socket is
 * shut down and it is left to its end; the mailbox goes to a new thread. An outcome that was handed back
 * before the deadline was noticed counts; what comes later is dropped, as the answer to a request that was
 * given up is: the report is sent again with the same message id.
 *
 * A connection that was used before may have been closed by its server in the meantime. Where work() fails on
 * such a one, the errands that it has not marked by errand_sent() are worked on once more over a new one.
 *
 * Threads are bounded: CREW_THREADS at once, and a tenant (the operator, with all that is configured, counts
 * as one) gets another one only while it has fewer than are free. Where more destinations have work, idle
 * threads end, and a busy one gives way after CREW_TURN_MS: of tenants that have no fewer threads than the
 * one that waits. Tenants with few threads come first, and the destinations of one in the order in which they
 * came. An attempt whose time is over before a thread was free for it ends by EVENT_SYSTEM, which is local,
 * and spends none.
 *
 * A library that computes for long is reached by no shutdown. So a destination whose thread was given up gets
 * no other one before that has ended; where this takes more than CREW_STUCK_MS, its attempts end at once by
 * EVENT_TIMEOUT, and for CREW_BAN_MS after its end too. Destinations that tenants brought along get none
 * while CREW_STUCK_TENANT such threads are of the same tenant, or CREW_STUCK_MAX of anybody.
 */
#ifndef DIST_CREW_H
#define DIST_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "adapter.h"
#include "outcomes.h"
#include "placeholders.h"

enum {
    CREW_THREADS = 64,
    CREW_BATCH = 100,     /* errands at once, where a kind does not say */
    CREW_IDLE_MS = 30000, /* a connection without work is closed */
    CREW_TURN_MS = 1000,  /* the longest that a destination keeps its thread while others wait */
    CREW_TEND_MS = 5000,  /* between two looks at an idle connection */
    CREW_STUCK_MS = 2000, /* a thread that was given up and has not ended by then is stuck */
    CREW_STUCK_TENANT = 2,
    CREW_STUCK_MAX = 8,
    CREW_BAN_MS = 5 * 60 * 1000,
    CREW_END_MS = 4000, /* crew_free() waits so long */
};

/* One attempt on its thread. */
struct errand;
/* Why a connection could not be opened. */
struct refusal;

/* What open() is told; borrowed until it returns, but the destination: that one until close(). */
struct crew_call {
    const struct destination *destination;
    const struct secret *secret; /* or NULL */
    struct guard guard;          /* of every address that is connected to */
    int64_t deadline_ms;         /* clock_mono_ms() */
    struct refusal *refusal;
    struct crew_line *line; /* for crew_watch() */
};

struct crew_kind {
    /* The most errands for one work(), at least 1; NULL: CREW_BATCH. In the loop. */
    size_t (*batch)(const struct destination *destination);
    /*
     * Connects and authenticates, in seconds: whoever waits for long keeps a thread from others. As soon as
     * there is a socket, before anything is awaited on it, crew_watch() is told. NULL: refused, by one of
     * crew_refuse*().
     */
    void *(*open)(const struct crew_call *call);
    /* Whether an idle connection is still good, and what keeps it so (heartbeats); soon done. 1: it knows
     * something that a new one would not, and is kept however long it is idle. -1: it is closed. NULL:
     * nothing is asked. */
    int (*tend)(void *connection, struct fault *fault);
    /*
     * Each of the errands gets its outcome by errand_set*(), after which its place in `items` is NULL. -1:
     * the connection cannot be used any more; it is closed, and what has no outcome gets EVENT_BROKEN with
     * the fault's text, or is worked on again (see above). 0 with an errand left over is a mistake of the
     * adapter: the same.
     */
    int (*work)(void *connection, struct errand **items, size_t count, int64_t deadline_ms,
                struct fault *fault);
    /* May take a second for goodbyes. */
    void (*close)(void *connection);
};

/* ---- in the event loop ---- */

struct crew;
/* The base is borrowed. NULL with the fault (SYSTEM). No thread is started yet. */
struct crew *crew_new(struct event_base *base, struct fault *fault);
/*
 * Ends all threads: idle ones say goodbye, the others' sockets are shut down. A thread whose library does not
 * come back within CREW_END_MS is left alone, with its memory. Attempts under way are gone without a call of
 * done. NULL is fine. Not from inside of a done.
 */
void crew_free(struct crew *crew);

/* As of struct adapter. */
struct attempt_handle *crew_start(const struct crew_kind *kind, const struct adapter *adapter,
                                  struct adapter_context *context, const struct attempt *attempt,
                                  attempt_done done, void *arg);
void crew_cancel(struct attempt_handle *handle);
/* Opens and closes a connection. */
int crew_check(const struct crew_kind *kind, const struct adapter *adapter, struct adapter_context *context,
               const struct destination *destination, const struct secret *secret, struct fault *fault);

/* ---- on the thread ---- */

/* The socket to shut down where the thread is given up; from open() and, after a reconnection of the
 * library's own, from work(). A duplicate of it is kept until the connection is closed. Where there is no
 * descriptor for it the connection is given up at once (EVENT_SYSTEM). */
void crew_watch(struct crew_line *line, int fd);
struct crew_line *errand_line(const struct errand *errand);

void crew_refuse(const struct crew_call *call, enum outcome_event event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* By a row of the table of outcomes, with the code that it was found by. */
void crew_refuse_by(const struct crew_call *call, const struct answer *row, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Copies; the destination is the one of open(). */
const struct attempt *errand_attempt(const struct errand *errand);
struct placeholders errand_placeholders(const struct errand *errand, bool with_secrets);
/* Whether anybody waits for its outcome still: where nobody does, it need not be begun. */
bool errand_is_awaited(const struct errand *errand);
/* From now on the destination may have it: it is not sent twice within one attempt. */
void errand_sent(struct errand *errand);
/* Something that the destination said, for the outcome's response; cut at its ceiling. */
void errand_add_response(struct errand *errand, const void *data, size_t size);
/*
 * The outcome, as pending_set() and its kin (pending.h) do it; what the secret hides is masked in text and
 * response. The errand belongs to the loop from here on.
 */
void errand_set(struct errand *errand, const struct answer *row, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void errand_set_event(struct errand *errand, enum outcome_event event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void errand_set_misconfigured(struct errand *errand, const char *what, const struct fault *fault);

#endif
