/*
 * transfer_event - see transfer_event.h
 */
#include "transfer_event.h"

enum outcome_event transfer_event(enum transfer_result result)
{
    static const enum outcome_event events[] = {
        [TRANSFER_DONE] = EVENT_CONFIRMED,
        [TRANSFER_ANSWERED] = EVENT_NOT_SERVED,
        [TRANSFER_TIMEOUT] = EVENT_TIMEOUT,
        [TRANSFER_CONNECT] = EVENT_CONNECT,
        [TRANSFER_REFUSED_ADDRESS] = EVENT_REFUSED_ADDRESS,
        [TRANSFER_TLS] = EVENT_TLS,
        [TRANSFER_HOST_KEY] = EVENT_HOST_KEY,
        [TRANSFER_LOGIN] = EVENT_LOGIN,
        [TRANSFER_SHORTAGE] = EVENT_SYSTEM,
        [TRANSFER_BROKEN] = EVENT_BROKEN,
    };
    return events[result];
}
