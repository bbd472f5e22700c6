/*
 * destination - a named endpoint, and groups of them: the forms of dist-destinations(5)
 *
 * The forms are the specification's (2.2.1 REST, 2.2.2 AMQP, 2.2.3 JDBC) and file, exec, null, and
 * {"group": ["a", "b"], "policy": "failover"}. Faults of a form are class INPUT with the JSON pointer;
 * whoever reads a file puts its name in front and makes them CONFIG.
 */
#ifndef DIST_DESTINATION_H
#define DIST_DESTINATION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fault.h"
#include "buf.h"
#include "retry.h"
#include "strmap.h"

enum protocol {
    PROTOCOL_REST,
    PROTOCOL_FILE,
    PROTOCOL_EXEC,
    PROTOCOL_NULL,
    PROTOCOL_AMQP, /* its form is checked; no adapter delivers to it in this version */
    PROTOCOL_JDBC, /* likewise */
    PROTOCOL_COUNT
};
extern const char *const protocol_names[PROTOCOL_COUNT + 1]; /* "REST", "file", ...: read in any case */

enum body_format { FORMAT_IDENTITY, FORMAT_RAW, FORMAT_JSON, FORMAT_COUNT };
extern const char *const body_format_names[FORMAT_COUNT + 1]; /* "identity", "raw", "json" */

struct destination {
    char *name;
    char *origin; /* where it was defined: "destinations.d/ops.json", "request" */
    json_t *form; /* as it was read; the strings below borrow from it */
    enum protocol protocol;
    enum body_format format;
    const char *credentials; /* reference, or NULL */
    char *tenant;            /* of a destination that a request brought along: whose credentials it may name */
    bool allow_private;      /* private, loopback and link-local addresses may be connected to */
    bool disabled;
    int64_t timeout_ms;      /* of one attempt, look-up to last byte; default 30 s, 100 ms to 1 h */
    int64_t concurrency;     /* attempts in flight at once per worker; default 20, 1 to 1000 */
    json_t *retry_policy;    /* its own, for retry_policy_refine(), or NULL */

    const char *endpoint; /* REST: http or https URL with placeholders */
    const char *method;   /* REST: default POST; GET HEAD POST PUT PATCH DELETE OPTIONS */
    json_t *headers;      /* REST: object of strings with placeholders, or NULL */
    const char *http_version; /* REST: "1.1", "2" (over TLS by ALPN; "2-prior-knowledge" without), default "2" over https */

    const char *path;  /* file: absolute, with placeholders */
    int64_t mode;      /* file: permission bits, default 0640 */

    json_t *command; /* exec: array of strings, the first an absolute path; placeholders in the others */

    unsigned references; /* see destination_ref() */
};

struct group {
    char *name;
    char *origin;
    size_t member_count;
    char **members; /* names of destinations, in the order in which they are tried */
};

/*
 * `form` (borrowed) as destination `name`; a "name" in the form must be the same. `tenant` is NULL for
 * configured destinations. The result has one reference.
 */
struct destination *destination_new(const char *name, const json_t *form, const char *tenant,
                                    const char *origin, struct fault *fault);
struct destination *destination_ref(struct destination *destination);
void destination_unref(struct destination *destination);

/* All destinations and groups of one configuration. */
struct catalog {
    struct strmap destinations; /* struct destination * */
    struct strmap groups;       /* struct group * */
};
struct catalog *catalog_new(void);
void catalog_free(struct catalog *catalog);
/*
 * Adds one file's content: one form, named by its "name" or else by `stem`, or an array of forms with
 * names. A name that is there already is a fault. `origin` goes into each.
 */
int catalog_add(struct catalog *catalog, const char *text, size_t size, const char *stem, const char *origin,
                struct fault *fault);
/* Members of groups exist and are no groups; call it when all files are added. Class INPUT. */
int catalog_check(const struct catalog *catalog, struct fault *fault);
struct destination *catalog_destination(const struct catalog *catalog, const char *name); /* borrowed, or NULL */
struct group *catalog_group(const struct catalog *catalog, const char *name);             /* borrowed, or NULL */
/* The known destination or group nearest to `name`, or NULL. */
const char *catalog_nearest(const struct catalog *catalog, const char *name);
/* All names of destinations (not groups), sorted; the array is the caller's, the strings the catalog's. */
const char **catalog_names(const struct catalog *catalog, size_t *count);

/*
 * Values for placeholders in endpoints, headers, paths and arguments: {tenant_id} {distribution_id}
 * {delivery_id} {data_type} {date} (UTC day of submission, 2024-01-15) {token} {username} {password} {secret}.
 * "{{" is a brace. An unknown placeholder is refused when the form is read; one without a value when it is
 * used (class CONFIG). `escape` makes each value safe for its place.
 */
struct placeholders {
    const char *tenant_id, *distribution_id, *delivery_id, *data_type, *date;
    const char *token, *username, *password; /* secrets; NULL where there is none */
};
enum placeholder_escape {
    ESCAPE_NONE,   /* header values, arguments; control characters are refused */
    ESCAPE_URL,    /* percent-encoded, RFC 3986 unreserved characters stay */
    ESCAPE_PATH,   /* one path component: '/' and control characters become '_', a leading '.' too; "" is "_" */
};
/* `path` is the pointer of the pattern, for the fault (class INPUT). */
int placeholders_check(const char *pattern, const char *path, struct fault *fault);
/* The same for what ends in logs and process lists (URLs, paths, arguments): {token}, {username}, {password} and
 * {secret} are refused too. */
int placeholders_check_public(const char *pattern, const char *path, struct fault *fault);
/* Appends; where it fails `out` is as it was. {secret} is {password}. CONFIG; INPUT where `out` is full. */
int placeholders_expand(const char *pattern, const struct placeholders *values, enum placeholder_escape escape,
                        struct buf *out, struct fault *fault);

#endif
