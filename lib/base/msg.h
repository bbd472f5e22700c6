/*
 * msg - one line on stderr per event
 *
 * Three forms of the same event: text for people ("dist-route: ..."), one JSON object per line (the
 * specification's section 7.2), or text behind a journal priority ("<6>..."). msg_open() chooses: `format`
 * (text, json, journal), or DIST_LOG_FORMAT in the environment, if there is one; for a service whose stderr
 * is no terminal, journal under systemd (JOURNAL_STREAM) and json elsewhere; text in every other case. Colour
 * only on a terminal and without NO_COLOR. The one writer of stderr in the project, and the only global state
 * beside signal flags.
 *
 * Text is cut at 2000 bytes; control characters, and bytes that are not UTF-8, become '?'. errno is kept. A
 * line that stderr does not take is lost: no call fails or waits for more than one write(2).
 */
#ifndef DIST_MSG_H
#define DIST_MSG_H

#include <stdbool.h>
#include <stdint.h>
#include "fault.h"

enum msg_level { MSG_ERROR, MSG_WARNING, MSG_INFO, MSG_DEBUG };

/*
 * `program` is borrowed for good: a literal. `format` may be NULL: the environment's. It may be called again,
 * when more is known; the level stays.
 */
void msg_open(const char *program, bool service, const char *format);
const char *msg_program(void);
void msg_set_level(enum msg_level level); /* the least important level that is printed; MSG_INFO at first */
bool msg_would_print(enum msg_level level);
void msg(enum msg_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* msg() at MSG_ERROR with the fault's text. */
void msg_fault(const struct fault *fault);

/* The event of an attempt or of a state change, with the fields of the specification's log line. */
struct msg_event {
    enum msg_level level;
    const char *component;       /* "deliver" */
    const char *action;          /* "distribution_attempt" */
    const char *status;          /* "delivered" */
    const char *distribution_id; /* each may be NULL */
    const char *delivery_id;
    const char *tenant_id;
    const char *destination;
    const char *text;
    int64_t latency_ms; /* -1: absent */
    int attempt;        /* 0: absent */
    int response_code;  /* 0: absent */
};
void msg_event(const struct msg_event *event);

/* Progress of long work: a line rewritten in place on a terminal, nothing elsewhere. done == total ends it.
 */
void msg_progress(const char *what, uint64_t done, uint64_t total);

#endif
