/*
 * exchange_headers - the header fields of a request; inside of exchange.c
 *
 * Those of the destination's form, and where it has none of the name: Content-Type and the fields that belong
 * to the body, with a body; Idempotency-Key, X-Distribution-ID, traceparent; Authorization, or the key, that
 * "auth" says; and those of Standard Webhooks.
 */
#ifndef DIST_EXCHANGE_HEADERS_H
#define DIST_EXCHANGE_HEADERS_H

#include <stdbool.h>
#include "adapter.h"

struct header_list {
    char **lines; /* ended by NULL */
    size_t count;
    char *credential; /* Basic, as it is sent, for masking; or NULL */
};

/*
 * `token` is that of OAuth2, or NULL. CONFIG with the name of what is wrong: a placeholder, a secret or a key
 * that is not there. The list is to be released in each case.
 */
int header_list_make(struct header_list *list, const struct attempt *attempt, bool with_body,
                     const char *token, struct fault *fault);
void header_list_release(struct header_list *list); /* wipes; zeroed memory is fine */

#endif
