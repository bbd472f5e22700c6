/*
 * tool - what every program does alike at its start and at its end
 *
 * A main is: tool_begin(), open what is needed, do the work, return tool_end(). The exit codes are those of
 * every man page: 0 done, 1 some records were rejected, and base/fault.h's for the rest.
 */
#ifndef DIST_TOOL_H
#define DIST_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include "conf.h"
#include "catalog.h"
#include "destination.h"
#include "fault.h"
#include "options.h"
#include "program.h"
#include "queue.h"
#include "render.h"
#include "rulebook.h"
#include "store.h"

enum { EXIT_REJECTED = 1 };

struct tool {
    const struct tool_options *options;
    struct conf *conf;
    int exit_code;
};

/*
 * Parses the command line and loads the settings. False: everything has been said and exit_code is to be
 * returned from main. `service` (may be NULL) is looked at after parsing: true makes stderr a service's log.
 *
 * Standard input and standard error that are closed become /dev/null, so that nothing else takes their
 * numbers; a closed standard output is a fault (SYSTEM), since results would get lost. A DIST_CONFIG_DIR that
 * is not there is a fault (CONFIG).
 */
bool tool_begin(struct tool *tool, const struct tool_options *options, int argc, char **argv, int *operands,
                const bool *service);
/* The same for a tool that can make the folder: it calls tool_folder() where it needs it. */
bool tool_begin_without_folder(struct tool *tool, const struct tool_options *options, int argc, char **argv,
                               int *operands, const bool *service);
/* CONFIG where DIST_CONFIG_DIR names a folder that is not there. */
int tool_folder(const struct tool *tool, struct fault *fault);
/* Reports `fault` where result is negative, and gives the exit code: result itself where it is not. */
int tool_end(struct tool *tool, int result, const struct fault *fault);

/* A wrong call: sets USAGE with a hint at -h behind the text; returns -1. */
int tool_usage(const struct tool *tool, struct fault *fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The connections that the settings describe; made, not yet connected. The caller frees them. */
struct store *tool_store(const struct tool *tool);
struct redis *tool_redis(const struct tool *tool);
/* CONFIG where the settings of Redis do not go together; asks no server. */
int tool_redis_check(const struct tool *tool, struct fault *fault);
/* A queue with an owner name that no other process has; takes a connection of its own. */
struct queue *tool_queue(const struct tool *tool);
/* Another connection of the same owner: a claim of one is a claim of both. For another thread. */
struct queue *tool_queue_beside(const struct tool *tool, const struct queue *queue);

/*
 * The forms in destinations.d below the configuration folder, the programs in transforms.d, the schemas in
 * schemas.d with schemas.json, and networks.json, regular files all. Every mistake goes to `mistake` with its
 * file; if there was one, the result is NULL and the fault (CONFIG) says how many. So it is where
 * DIST_CONFIG_DIR names a folder that is not there (any more); no destinations.d is none.
 */
struct catalog *tool_catalog(const struct tool *tool, void (*mistake)(void *arg, const char *text), void *arg,
                             struct fault *fault);
/* The programs in transforms.d for the catalog; mistakes as there, and their number. */
size_t tool_programs(const struct tool *tool, struct catalog *catalog,
                     void (*mistake)(void *arg, const char *text), void *arg);
/* The schemas for the catalog, when its destinations have been read: they name some; likewise. */
size_t tool_schemas(const struct tool *tool, struct catalog *catalog,
                    void (*mistake)(void *arg, const char *text), void *arg);
/* networks.json for the catalog; likewise. */
size_t tool_networks(const struct tool *tool, struct catalog *catalog,
                     void (*mistake)(void *arg, const char *text), void *arg);
/*
 * The rules of these sources, by the settings of routing; see rulebook.h. Every mistake goes to `mistake`; if
 * there was one, the result is NULL and the fault (CONFIG) says how many. Any other fault passes.
 */
struct rulebook *tool_rulebook(const struct tool *tool, const struct catalog *catalog,
                               struct programs *programs, const struct rules_source *sources, size_t count,
                               void (*mistake)(void *arg, const char *text), void *arg, struct fault *fault);
/* The same of rules.d below the configuration folder; no rules.d is no rules. */
struct rulebook *tool_rules(const struct tool *tool, const struct catalog *catalog, struct programs *programs,
                            void (*mistake)(void *arg, const char *text), void *arg, struct fault *fault);
/* The most bytes of a delivery's envelope, by the settings. */
size_t tool_max_delivery(const struct tool *tool);
/* What renders bodies, within the limits of the settings; no process is made before it is needed. */
struct render *tool_render(const struct tool *tool);
/* Whether a distribution that names no destination may be routed here: there are files of rules, which are
 * not read, a default target, or a rules engine. The database may have rules too: store_rules_any(). */
bool tool_routes(const struct tool *tool);
/* For `mistake`: an error line each. */
void tool_mistake(void *arg, const char *text);

#endif
