/*
 * crew_parts - what the two sides of a crew share; inside of crew*.c
 *
 * One mutex for all: it is held for moments only, never across a call of a library or of `done`. Beside each
 * member stands who may touch it: L the loop, T the thread of the line, M whoever holds the mutex, and C: set
 * before the thread begins, constant from then on.
 */
#ifndef DIST_CREW_PARTS_H
#define DIST_CREW_PARTS_H

#include <pthread.h>
#include <sys/queue.h>
#include "crew.h"
#include "pending.h"

enum errand_state { ERRAND_WAITING, ERRAND_TAKEN, ERRAND_SET };

struct errand {
    TAILQ_ENTRY(errand) link;  /* M: of its line's mail, or of crew->set */
    struct crew_attempt *call; /* L: NULL when nobody waits for it any more */
    struct crew_line *line;    /* M while it waits, T when it is taken */
    enum errand_state state;   /* M */
    bool awaited;              /* M: `call`, as the thread sees it */
    size_t slot;               /* T: its place in line->taken */
    bool sent;                 /* T */
    bool forwarded;            /* M: it waited for a thread that was given up */
    bool probe;                /* C: opens a connection, and that is all */
    int64_t deadline_ms;       /* C */
    const struct adapter *adapter;
    struct attempt attempt; /* C: its texts, body and secret are its own */
    struct secret secret;
    struct outcome outcome; /* T until it is set, then L */
};
TAILQ_HEAD(errands, errand);

/* Who brought destinations along; with no name the operator, whose are the configured ones. L */
struct crew_tenant {
    LIST_ENTRY(crew_tenant) link;
    char *name;
    size_t lines, threads;
};

struct crew_line {
    TAILQ_ENTRY(crew_line) link; /* L: of crew->lines */
    struct crew *crew;           /* C */
    const struct crew_kind *kind;
    struct destination *destination; /* C: a reference */
    struct guard guard;              /* C: with a reference to its lists, which the loop drops */
    struct crew_tenant *tenant;      /* L */
    size_t batch;                    /* C: errands at once */
    pthread_t thread;                /* L */
    pthread_cond_t wake;
    bool started;          /* L: there is a thread */
    struct errands mail;   /* M */
    struct errand **taken; /* T: NULL where the outcome is set */
    size_t taken_count;    /* T */
    size_t awaited;        /* M: errands that are taken and awaited */
    bool busy;             /* M: the thread is in the hands of the library */
    bool ending;           /* M: it takes no more mail */
    bool dropped;          /* M: nobody waits for it */
    bool ended;            /* M: it can be joined */
    bool crowded;          /* M: others wait for its thread */
    bool holds;            /* M: its connection is worth keeping */
    bool unwatched;        /* T: there was no descriptor for crew_watch() */
    int64_t dropped_ms;    /* M */
    int64_t ended_ms;      /* M */
    int64_t courtesy_ms;   /* M: by then a look or a goodbye is over; 0: there is none */
    int socket;            /* M: a duplicate, or -1 */
    void *connection;      /* T */
    int64_t used_ms;       /* T: when the connection was known to be good */
};
TAILQ_HEAD(crew_lines, crew_line);
TAILQ_HEAD(crew_bans, crew_ban);

struct crew {
    struct event_base *base; /* L */
    struct event *event;     /* L */
    int fd;                  /* C: the eventfd that wakes the loop */
    pthread_mutex_t mutex;
    pthread_cond_t ended;                         /* a line has */
    struct errands set;                           /* M: what has its outcome */
    struct crew_lines lines;                      /* L */
    LIST_HEAD(crew_calls, crew_attempt) calls;    /* L */
    size_t threads;                               /* L */
    LIST_HEAD(crew_tenants, crew_tenant) tenants; /* L */
    struct crew_bans bans;                        /* L: destinations that get no thread for a while */
    size_t ban_count;                             /* L */
    bool stopping;                                /* M */
};

/* crew_thread.c */
void *crew_line_run(void *line);
/* With the mutex held. */
void crew_ring(struct crew *crew);
/* Nobody waits for it any more: its socket is shut down. With the mutex held. */
void crew_line_drop(struct crew_line *line);

/* crew_turns.c, with the mutex held */
struct crew_tenant *crew_tenant_of(struct crew *crew, const char *name); /* and one line more */
void crew_tenant_leave(struct crew_tenant *tenant);                      /* one line less */
/* A reload reads all forms anew, and requests bring the same one along again and again. */
bool crew_is_same(const struct destination *a, const struct destination *b);
/* Whether a thread of the same destination was given up and has not ended. */
bool crew_has_left(const struct crew_line *line);
/* The line has ended: where that took it too long, its destination is banned for a while. */
void crew_note_end(struct crew_line *line);
void crew_lift_bans(struct crew *crew, int64_t until_ms); /* those that are over by then */
struct crew_refusal {
    enum outcome_event event;
    char text[120];
};
bool crew_has_stuck(const struct crew *crew); /* else crew_may_begin() need not be asked */
/* 0, -1: it gets no thread, and what is in its mailbox this outcome. */
int crew_may_begin(const struct crew_line *line, int64_t now_ms, struct crew_refusal *refusal);
/* The line that gets the next thread; NULL: none does now. */
struct crew_line *crew_next(struct crew *crew);
/* Tells those that are to give way. */
void crew_crowd(struct crew *crew);

/* crew_errand.c */
struct refusal {
    const struct answer *row;
    enum outcome_event event;
    int code;
    char text[500];
};
struct errand *errand_new(const struct adapter *adapter, const struct attempt *attempt);
void errand_free(struct errand *errand);

#endif
