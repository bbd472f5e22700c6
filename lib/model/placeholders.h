/*
 * placeholders - values in endpoints, headers, paths and arguments
 */
#ifndef DIST_PLACEHOLDERS_H
#define DIST_PLACEHOLDERS_H

#include <stdbool.h>
#include "buf.h"
#include "fault.h"

/*
 * Values for placeholders in endpoints, headers, paths and arguments: {tenant_id} {distribution_id}
 * {delivery_id} {data_type} {date} (UTC day of submission, 2024-01-15) {token} {username} {password}
 * {secret}.
 * "{{" is a brace. An unknown placeholder is refused when the form is read; one without a value when it is
 * used (class CONFIG). `escape` makes each value safe for its place.
 */
struct placeholders {
    const char *tenant_id, *distribution_id, *delivery_id, *data_type, *date;
    const char *token, *username, *password; /* secrets; NULL where there is none */
};
enum placeholder_escape {
    ESCAPE_NONE, /* header values, arguments; control characters are refused */
    ESCAPE_URL,  /* percent-encoded, RFC 3986 unreserved characters stay */
    ESCAPE_PATH, /* one path component: '/' and control characters become '_', a leading '.' too; "" is "_" */
};
/* `path` is the pointer of the pattern, for the fault (class INPUT). */
int placeholders_check(const char *pattern, const char *path, struct fault *fault);
/* The same for what ends in logs and process lists (URLs, paths, arguments): {token}, {username}, {password}
 * and {secret} are refused too. */
int placeholders_check_public(const char *pattern, const char *path, struct fault *fault);
/* Whether the pattern, which was checked, has any. */
bool placeholders_present(const char *pattern);
/* Appends; where it fails `out` is as it was. {secret} is {password}. CONFIG; DENIED where it is a secret
 * that has no value; INPUT where `out` is full. */
int placeholders_expand(const char *pattern, const struct placeholders *values,
                        enum placeholder_escape escape, struct buf *out, struct fault *fault);

#endif
