/*
 * pending - what the attempts of all adapters have in common: the outcome on its way to attempt_done
 *
 * An adapter's attempt has a struct pending as its first member. It ends by one of pending_report(),
 * pending_report_later() or, from the adapter's cancel, the `free` that it gave.
 */
#ifndef DIST_PENDING_H
#define DIST_PENDING_H

#include "placeholders.h"
#include "adapter.h"

struct pending {
    struct attempt_handle handle; /* first: the handle is the pending */
    struct attempt attempt;       /* a copy; what it points at is borrowed */
    struct event_base *base;
    struct outcome outcome;
    attempt_done done;
    void *arg;
    struct event *later;
    void (*free)(struct pending *pending); /* everything; calls pending_release() */
};

/* For the contents of zeroed memory. */
void pending_init(struct pending *pending, const struct adapter *adapter, struct adapter_context *context,
                  const struct attempt *attempt, attempt_done done, void *arg,
                  void (*free_pending)(struct pending *));
void pending_release(struct pending *pending);

/* Calls done with the outcome as it is, then frees. Only from the event loop. */
void pending_report(struct pending *pending);
/* The same from the event loop's next turn: for what start() finds out at once. */
void pending_report_later(struct pending *pending);

/* The outcome as the row of the adapter's table says; the text is for people, "" on success. */
void pending_set(struct pending *pending, const struct answer *row, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same by the row of the event, without a code. */
void pending_set_event(struct pending *pending, enum outcome_event event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* `what` is wrong with the destination, as the fault says: EVENT_CREDENTIALS where it is DENIED, and else
 * EVENT_CONFIGURATION. */
void pending_set_misconfigured(struct pending *pending, const char *what, const struct fault *fault);

/* The attempt's values; secrets only where asked for. Borrowed from the attempt. */
struct placeholders pending_placeholders(const struct pending *pending, bool with_secrets);
struct placeholders attempt_placeholders(const struct attempt *attempt, bool with_secrets);

/*
 * An attempt that an adapter's check() makes and waits for. The outcome as a fault: CONFIG where it is
 * rejected or held, SYSTEM where it is this host's, else UNAVAILABLE.
 */
struct pending_trial {
    bool done;
    int result;
    struct fault *fault;
};
void pending_trial_done(void *trial, struct outcome *outcome);
/* Runs the loop until it is done. */
int pending_trial_run(struct pending_trial *trial, struct adapter_context *context);

#endif
