/*
 * attempts - an adapter under test: its context, one attempt, and how it ended, which is told to rows.h
 */
#ifndef DIST_TEST_ATTEMPTS_H
#define DIST_TEST_ATTEMPTS_H

#include "adapter.h"

struct attempts {
    struct event_base *base;
    struct adapter_context context;
    struct attempt attempt; /* of a small JSON body; the destination and secret are the test's to set */
    bool done;
    struct outcome outcome; /* the response is a copy */
};

/* Setup and teardown of cmocka: *state is the struct. No descriptor may be left. */
int attempts_setup(void **state);
int attempts_teardown(void **state);

enum outcome_kind attempts_try(struct attempts *attempts);
/* The same, and that it ended so; its text is shown where it did not. */
void attempts_expect(struct attempts *attempts, enum outcome_kind kind, const char *reason);
/* Whether this process gets no further descriptor. */
void attempts_limit_descriptors(bool limit);
/* A destination of that form, with ' for "; the caller's. */
struct destination *attempts_destination(const char *form, ...) __attribute__((format(printf, 1, 2)));

#endif
