/*
 * behaviour - what the path of a URL asks the receiver to do
 *
 * The segments are read from left to right and can be combined; a segment that is not listed is just a name.
 * behaviour_help() holds the list, which is also what --help prints.
 */
#ifndef RECEIVER_BEHAVIOUR_H
#define RECEIVER_BEHAVIOUR_H

#include <stddef.h>
#include <stdint.h>

#include <event2/buffer.h>

enum ending {
    ENDING_ANSWER,
    ENDING_HANG,         /* no answer, connection open */
    ENDING_HANG_BODY,    /* head and half of the body, connection open */
    ENDING_RESET,        /* no answer, RST */
    ENDING_CLOSE,        /* no answer, FIN */
    ENDING_WRONG_LENGTH, /* Content-Length above the body, then FIN */
};

struct behaviour {
    int status;
    const char *type; /* Content-Type */
    char *retry_after;
    char *location;
    struct evbuffer *body;
    uint64_t delay_ms; /* before the head */
    uint64_t drip_ms;  /* between two bytes of the body; 0: all at once */
    enum ending ending;
};

/* How often each key of /fail and /then was asked for. Zero-initialised. */
struct tallies {
    void *root;
};

void tallies_release(struct tallies *tallies);

/* 200 with an empty body. -1 when there is no memory. */
int behaviour_init(struct behaviour *behaviour);
void behaviour_release(struct behaviour *behaviour);

/* One request: the path without its query, and the sender's id for it (or NULL). A mistake in the path
 * becomes an answer of 400 that names it. */
void behaviour_read(struct behaviour *behaviour, struct tallies *tallies, const char *path, const char *id);

/* Makes it an answer of that status with the text as its body, and nothing else. */
void behaviour_refuse(struct behaviour *behaviour, int status, const char *text);

const char *behaviour_help(void);

#endif
