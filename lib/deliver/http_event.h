/*
 * http_event - what an HTTP request came to that has no status, as an event of the tables of outcomes
 */
#ifndef DIST_HTTP_EVENT_H
#define DIST_HTTP_EVENT_H

#include "http.h"
#include "outcomes.h"

enum outcome_event http_event(enum http_result result); /* not of HTTP_ANSWERED */

#endif
