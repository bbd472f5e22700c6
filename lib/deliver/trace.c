/*
 * trace - see trace.h
 */
#include "trace.h"

#include <stdlib.h>
#include <string.h>
#include "digest.h"
#include "xalloc.h"

enum { TRACE_SIZE = 32, PARENT_SIZE = 16, FLAGS_AT = 3 + TRACE_SIZE + 1 + PARENT_SIZE + 1 };

static bool is_hex(const char *text, size_t size)
{
    return strspn(text, "0123456789abcdef") >= size;
}

static bool is_zero(const char *text, size_t size)
{
    return strspn(text, "0") >= size;
}

/* Later versions may have more behind the flags (4.3): what is before it is as in version 00. */
static bool is_traceparent(const char *text)
{
    if (strlen(text) < FLAGS_AT + 2 || !is_hex(text, 2) || strncmp(text, "ff", 2) == 0 || text[2] != '-')
        return false;
    if (text[FLAGS_AT + 2] && (strncmp(text, "00", 2) == 0 || text[FLAGS_AT + 2] != '-'))
        return false;
    const char *trace = text + 3, *parent = trace + TRACE_SIZE + 1;
    return is_hex(trace, TRACE_SIZE) && !is_zero(trace, TRACE_SIZE) && trace[TRACE_SIZE] == '-' &&
           is_hex(parent, PARENT_SIZE) && !is_zero(parent, PARENT_SIZE) && parent[PARENT_SIZE] == '-' &&
           is_hex(text + FLAGS_AT, 2);
}

static void digest_of(char hex[DIGEST_TEXT_SIZE], char *text)
{
    digest_sha256(text, strlen(text), hex);
    free(text);
}

void trace_parent(const struct attempt *attempt, char text[TRACE_TEXT_SIZE])
{
    const char *given =
        attempt->traceparent && is_traceparent(attempt->traceparent) ? attempt->traceparent : NULL;
    char trace[DIGEST_TEXT_SIZE], parent[DIGEST_TEXT_SIZE];

    if (!given)
        digest_of(trace, xconcat(attempt->tenant_id, "/", attempt->distribution_id));
    digest_of(parent, xasprintf("%s/%d", attempt->message_id, attempt->number));
    snprintf(text, TRACE_TEXT_SIZE, "00-%.*s-%.*s-%.2s", TRACE_SIZE, given ? given + 3 : trace, PARENT_SIZE,
             parent, given ? given + FLAGS_AT : "01");
}
