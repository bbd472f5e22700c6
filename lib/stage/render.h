/*
 * render - bodies as renderings want them: programs are run, XML is read, bytes are compressed
 *
 * One struct render has one worker for its programs (wire/program.h) and is used by one thread at a time. It
 * is best made before the process is large. Programs are compiled at their first use and kept; a check
 * compiles those of a whole catalog.
 */
#ifndef DIST_RENDER_H
#define DIST_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include "catalog.h"
#include "delivery.h"
#include "destination.h"
#include "fault.h"
#include "program.h"

struct render;
/* `max_output`: bytes of one output, and of all of an envelope. */
struct render *render_new(const struct program_limits *limits, size_t max_output);
void render_free(struct render *render); /* NULL is fine */
size_t render_max_output(const struct render *render);
pid_t render_worker(const struct render *render); /* as programs_worker() */

/* True where render_delivery() wants the body. */
bool render_needs_body(const struct destination *destination, const struct delivery *delivery);
/* False where the body itself is sent, unseen. One whose renderings do not go together would have made one.
 */
bool render_makes_output(const struct destination *destination, const struct delivery *delivery);

/*
 * What the delivery sends to `destination`, its candidate. Where that is not the body itself, or has been
 * held against a schema, an output is added to it; else its content type is set. Files of programs and
 * schemas are those of the catalog. -1: class INPUT where the body or the program is wrong, or what was made
 * of them does not fit its schema, a dead letter of *reason (may be NULL); anything else is nobody's fault,
 * and for later. The text has the program and the place in the value.
 */
int render_delivery(struct render *render, const struct catalog *catalog,
                    const struct destination *destination, struct delivery *delivery,
                    enum dead_reason *reason, struct fault *fault);

/* A destination without a place: what is made for one of that name that is not configured. The caller's
 * reference. */
struct destination *render_stand_in(const char *name);

/* Compiles the programs of all destinations; the mistakes, each a line. Their number. `trouble`: one could
 * not be compiled for a reason that passes (TEMP, SYSTEM), and nothing is known of those behind it; else
 * NONE. `alive` (may be NULL) is called before each, which takes its time. */
size_t render_check(struct render *render, const struct catalog *catalog,
                    void (*mistake)(void *arg, const char *text), void *arg, void (*alive)(void),
                    struct fault *trouble);
/* One rendering, for rules and options: its program is there and can be compiled, and its schema is there.
 * `path` as in catalog_program(); the catalog is NULL for one that names no file. */
int render_check_program(struct render *render, const struct catalog *catalog,
                         const struct rendering *rendering, const char *path, struct fault *fault);

#endif
