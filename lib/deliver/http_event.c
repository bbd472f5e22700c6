/*
 * http_event - see http_event.h
 */
#include "http_event.h"

enum outcome_event http_event(enum http_result result)
{
    static const enum outcome_event events[] = {
        [HTTP_TIMEOUT] = EVENT_TIMEOUT, [HTTP_CONNECT] = EVENT_CONNECT,
        [HTTP_TLS] = EVENT_TLS,         [HTTP_REFUSED_ADDRESS] = EVENT_REFUSED_ADDRESS,
        [HTTP_BROKEN] = EVENT_BROKEN,   [HTTP_BAD_REQUEST] = EVENT_CONFIGURATION,
        [HTTP_SHORTAGE] = EVENT_SYSTEM,
    };

    return events[result];
}
