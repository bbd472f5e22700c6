/*
 * store_fixture - a migrated database with the tenant "acme", and jobs and deliveries to fill it with
 */
#ifndef DIST_TEST_STORE_FIXTURE_H
#define DIST_TEST_STORE_FIXTURE_H

#include "pg_server.h"
#include "store.h"

struct store_fixture {
    struct pg_server server;
    struct store *store;
};

/* For cmocka's group: *state is the fixture. */
int store_fixture_setup(void **state);
int store_fixture_teardown(void **state);
/* For cmocka's tests: every table but the tenants is emptied. */
int store_fixture_empty(void **state);

/* A new connection, once the old one is gone: a backend tells its statistics when it goes, at the latest. */
void store_fixture_reconnect(struct store_fixture *fixture);
struct store *store_fixture_store(const struct store_fixture *fixture, int64_t timeout_ms); /* another one */

/* Fails the test, with the fault's text, where a call failed. */
#define ok(call)                                                                                             \
    do {                                                                                                     \
        fault_clear(&problem);                                                                               \
        if (call)                                                                                            \
            fail_msg("%s: %s", #call, problem.text);                                                         \
    } while (0)
/* Fails the test where the call did not fail with that class. */
#define refused(call, wanted)                                                                                \
    do {                                                                                                     \
        fault_clear(&problem);                                                                               \
        if (!(call))                                                                                         \
            fail_msg("%s did not fail", #call);                                                              \
        if (problem.class != (wanted))                                                                       \
            fail_msg("%s: %s: %s", #call, fault_class_name(problem.class), problem.text);                    \
    } while (0)
extern struct fault problem;

/* A job of acme's to the destinations, whose names are parted by blanks, with a small JSON body. */
struct job *make_job(const char *destinations);
struct submission submission_of(struct job *job); /* takes the reference */
void submission_release(struct submission *item);
/* Stores it and gives its id, for good. */
void accept_job(struct store *store, struct job *job, char id[UID_TEXT_SIZE]);
/* Routes a stored job to its own destinations, queued. */
void route_it(struct store *store, const char *id);
/* The id of the job's delivery to `target`. */
void delivery_id(const struct store_fixture *fixture, const char *job_id, const char *target,
                 char id[UID_TEXT_SIZE]);
/* A settlement of attempt `number` (owned texts: settlement_release()). */
struct settlement settlement_of(const char *delivery_id, int number, enum outcome_kind kind,
                                enum delivery_status status);
void settle_one(struct store *store, const char *delivery_id, int number, enum outcome_kind kind,
                enum delivery_status status);
/* A replay of these, at once and without a ceiling: how many it were. */
int replay_now(struct store *store, const char *const *ids, size_t count, size_t *replayed,
               struct fault *fault);
/* What waits and is due becomes queued: up to `want` of each lane that has something. Also for threads. */
int claim_due(struct store *store, size_t want, int64_t lease_ms, struct due_list *list, struct fault *fault);
/* The same look at pending jobs. */
int pending_due(struct store *store, size_t want, struct due_list *list, struct fault *fault);
/* The number that "SELECT " sql FROM ... WHERE id = 'id' gives. */
int64_t number_of(const struct store_fixture *fixture, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void run_sql(const struct store_fixture *fixture, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* `count` waiting deliveries of the job in one lane, tried `attempts` times; the first one is due `due_s`
 * seconds from now, each next one a millisecond later. */
void fill_lane(const struct store_fixture *fixture, const char *job, const char *destination,
               const char *tenant, const char *priority, int count, int attempts, int due_s);
/* All counters and states of jobs are what a recount of their deliveries says; what finds pending jobs, and
 * open deliveries that expire, says what the jobs do. */
void check_counters(const struct store_fixture *fixture);

#endif
