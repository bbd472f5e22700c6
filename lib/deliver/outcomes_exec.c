/*
 * outcomes_exec - what an exit code, or its absence, means, and what a command says itself: 75 is EX_TEMPFAIL
 * of sysexits.h, 111 is qmail's
 */
#include "outcomes.h"

static const struct answer codes[] = {
    {0, 0, OUTCOME_DELIVERED, "exit_0", 0, "success"},
    {75, 75, OUTCOME_DEFERRED, "exit_75", 0, "temporary failure"},
    {111, 111, OUTCOME_DEFERRED, "exit_111", 0, "temporary failure"},
    {1, 255, OUTCOME_REJECTED, "exit", 0, "the command failed"},
    {0},
};

static const struct answer events[] = {
    {EVENT_SAID_DELIVERED, EVENT_SAID_DELIVERED, OUTCOME_DELIVERED, "said_delivered", 0,
     "its result says delivered, and it exits with 0"},
    {EVENT_SAID_DEFERRED, EVENT_SAID_DEFERRED, OUTCOME_DEFERRED, "said_deferred", 0,
     "its result says deferred, whatever the exit code"},
    {EVENT_SAID_REJECTED, EVENT_SAID_REJECTED, OUTCOME_REJECTED, "said_rejected", 0,
     "its result says rejected, whatever the exit code"},
    {EVENT_SIGNAL, EVENT_SIGNAL, OUTCOME_DEFERRED, "signal", 0, "killed by a signal"},
    {EVENT_TIMEOUT, EVENT_TIMEOUT, OUTCOME_DEFERRED, "timeout", OVERLOAD, "not ended in time"},
    {EVENT_SYSTEM, EVENT_SYSTEM, OUTCOME_DEFERRED, "system", LOCAL, "cannot be started, for now"},
    {EVENT_NOT_STARTABLE, EVENT_NOT_STARTABLE, OUTCOME_REJECTED, "not_startable", LOCAL, "cannot be started"},
    {EVENT_CONFIGURATION, EVENT_CONFIGURATION, OUTCOME_REJECTED, "configuration", LOCAL,
     "the form cannot be used"},
    {0},
};

const struct outcome_table outcomes_exec = {"exit code", NULL, codes, events};
