/*
 * outcomes_rest - what an HTTP status, or its absence, means
 */
#include "outcomes_http.h"

static const struct answer codes[] = {OUTCOMES_HTTP_STATUSES, {0}};
static const struct answer events[] = {OUTCOMES_HTTP_EVENTS, {0}};

const struct outcome_table outcomes_rest = {"HTTP status", NULL, codes, events};
