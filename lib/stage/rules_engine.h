/*
 * rules_engine - a service that says where distributions go, in the place of the rules: specification 6.1
 *
 *   POST / HTTP/1.1                       {"tenant_id": "acme", "data_type": "report", ...}   rule_event()
 *   {"targets": ["archive", "eu-group"]}  and, each where it is wanted, "priority", "options" and "metadata"
 * as in "set" of a rule; members that it has besides are not looked at
 *
 * An answer becomes a set of one rule, which is named "rules-engine" and judged by the same questions as
 * those of files. Two questions are alike where their events differ in nothing but ids, times and the size of
 * the payload: an answer may be kept for a while for those that are alike.
 *
 * The engine is absent where no answer comes in time, or one that is no JSON or has a status that is not
 * about the question: anything but 2xx, 400, 413, 415 and 422. After three absences in a row it is left in
 * peace for a second; but where it answers one question of a call it is asked all of them. What is done with
 * a question that has no answer is configured:
 *
 *   ENGINE_LAST    the last answer to a question that was alike; without one, the rules decide
 *   ENGINE_REFUSE  the distribution is unroutable
 *   ENGINE_WAIT    nothing is known of it: ask again later
 *
 * What it says of one question and cannot be done (a target that is not configured; 422) makes that
 * distribution unroutable, whatever is configured. The memory is the process's own and has a ceiling.
 *
 * Calls block: at most ENGINE_ROUNDS times the timeout for as many as ENGINE_QUESTIONS questions. The address
 * guard and TLS are those of http.h.
 */
#ifndef DIST_RULES_ENGINE_H
#define DIST_RULES_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "catalog.h"
#include "fault.h"
#include "rulebook.h"
#include "rules.h"
#include "secret.h"

enum {
    ENGINE_ANSWER_MAX = 256 * 1024, /* bytes of an answer */
    ENGINE_ANSWERS_MAX = 10000,     /* that are kept */
    ENGINE_ANSWERS_BYTES = 16 * 1024 * 1024,
    ENGINE_CONNECTIONS = 64, /* questions that are asked at once */
    ENGINE_QUESTIONS = 256,
    ENGINE_ROUNDS = ENGINE_QUESTIONS / ENGINE_CONNECTIONS,
    ENGINE_TIMEOUT_MAX_MS = 5000,
    ENGINE_FAILURES = 3, /* in a row, before a pause */
    ENGINE_PAUSE_MS = 1000,
};

enum engine_absent { ENGINE_LAST, ENGINE_REFUSE, ENGINE_WAIT, ENGINE_ABSENT_COUNT };
extern const char *const engine_absent_names[ENGINE_ABSENT_COUNT + 1]; /* "last", "refuse", "wait" */

struct rules_engine_config { /* borrowed for the call */
    const char *url;
    const struct secret *secret; /* or NULL; a user name and password are Basic, a token alone is Bearer */
    int64_t timeout_ms;
    int64_t cache_ms; /* how long an answer is taken for what is alike; 0: it is asked each time */
    bool payload;     /* the events have it, and it counts for what is alike */
    bool allow_private;
    enum engine_absent absent;
};

struct rules_engine;
/* NULL with the fault set (CONFIG: no http or https URL; SYSTEM). Connects to nothing yet. */
struct rules_engine *rules_engine_new(const struct rules_engine_config *config, struct fault *fault);
void rules_engine_free(struct rules_engine *engine); /* NULL is fine */

/* Whether events are to have their payload. */
bool rules_engine_wants_payload(const struct rules_engine *engine);

enum engine_verdict {
    ENGINE_ANSWERED,   /* by `rules` */
    ENGINE_SAYS_RULES, /* it is absent, and the rules decide */
    ENGINE_UNROUTABLE, /* `why` says it */
    ENGINE_AWAITED     /* it is absent, and is waited for */
};
struct engine_question {
    const json_t *event; /* in, borrowed; NULL: nothing is asked, and the verdict stays as it is */
    enum engine_verdict verdict;
    struct rules *rules; /* of ANSWERED: the caller's, for rules_free() */
    bool old;            /* of ANSWERED: the last answer, because there was none now */
    struct fault why;    /* UNROUTABLE, AWAITED; also of `old` and SAYS_RULES: why there was none */
};
/*
 * `catalog`: what a target may be. -1 (TEMP): a question has the verdict AWAITED; each other one has its own.
 */
int rules_engine_ask(struct rules_engine *engine, const struct catalog *catalog,
                     struct engine_question *questions, size_t count, struct fault *fault);

/* What an answer means for rulebook_route_ruled(); it borrows from the question. False: the rules decide. */
bool rules_engine_ruling(const struct engine_question *question, struct rulebook_ruling *ruling);

/* Whether it has become absent, or is back, since the last call: for one message at either end. `why`: of
 * ABSENT. */
enum engine_news { ENGINE_NO_NEWS, ENGINE_IS_ABSENT, ENGINE_IS_BACK };
enum engine_news rules_engine_news(struct rules_engine *engine, struct fault *why);

#endif
