/*
 * crash - see crash.h
 *
 * Like a signal flag this is state of the whole process: what is to be hit is the process.
 */
#include "crash.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include "num.h"
#include "text.h"

enum { PASSES_MAX = 1000000000 };

const char *const crash_points[] = {
    "submit:written",
    "submit:committed",
    "submit:published",
    "route:claimed",
    "route:saved",
    "route:hopped",
    "route:given-up",
    "pump:claimed",
    "pump:published",
    "pump:epoch",
    "pump:recalled",
    "transform:claimed",
    "transform:kept",
    "transform:saved",
    "transform:settled",
    "transform:hopped",
    "transform:finished",
    "transform:given-up",
    "deliver:claimed",
    "deliver:sending",
    "deliver:sent",
    "deliver:recorded",
    "deliver:acknowledged",
    "settle:single",
    "replay:chosen",
    "replay:committed",
    "drop:chosen",
    "drop:committed",
    NULL,
};

const char *crash_armed;
static atomic_llong passes_left;

/* The point's name in the table, and how often it is to be passed; NULL where the text is wrong. */
static const char *parse(const char *text, int64_t *passes)
{
    *passes = 1;
    for (const char *const *point = crash_points; *point; point++) {
        size_t size = strlen(*point);
        if (strncmp(text, *point, size))
            continue;
        if (!text[size] ||
            (text[size] == ':' && num_parse_int(text + size + 1, 1, PASSES_MAX, passes, NULL) == 0))
            return *point;
    }
    return NULL;
}

int crash_check(const char *text, struct fault *fault)
{
    const char *nearest;
    int64_t passes;
    size_t count = 0;
    char shown[100];

    if (parse(text, &passes))
        return 0;
    while (crash_points[count])
        count++;
    text_copy(shown, sizeof shown, text);
    text_printable(shown);
    nearest = text_nearest(shown, crash_points, count);
    if (nearest)
        return fault_set(fault, FAULT_CONFIG, "'%s' is no <point>[:N]; did you mean '%s'?", shown, nearest);
    return fault_set(fault, FAULT_CONFIG, "'%s' is no <point>[:N] of dist-internals(7)", shown);
}

void crash_arm(const char *text)
{
    int64_t passes;

    crash_armed = text ? parse(text, &passes) : NULL;
    if (crash_armed)
        atomic_store(&passes_left, passes);
}

void crash_pass(const char *point)
{
    if (strcmp(point, crash_armed) == 0 && atomic_fetch_sub(&passes_left, 1) == 1)
        raise(SIGKILL);
}
