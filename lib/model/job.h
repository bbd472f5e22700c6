/*
 * job - one accepted request (a distribution), and its three texts: request, envelope, response
 *
 * The request is the specification's document 4.2.1 (dist-submit --request, --ndjson); the envelope is what
 * stages hand on in a pipe (dist-envelope(5)); the body is bytes and goes through all of them unchanged.
 */
#ifndef DIST_JOB_H
#define DIST_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "fault.h"
#include "json.h"
#include "status.h"
#include "uid.h"

#define JOB_REQUEST_SCHEMA "https://zenia.io/schemas/distribution-request-v1.json"
#define JOB_RESPONSE_SCHEMA "https://zenia.io/schemas/distribution-response-v1.json"
#define JOB_DEFAULT_TYPE "application/json"

struct job {
    char id[UID_TEXT_SIZE]; /* distribution_jobs.id */
    char *distribution_id;  /* the client's: 1 to 100 of [A-Za-z0-9_-] (no dot: it is signed); else id */
    bool own_id;            /* the client gave distribution_id */
    char replay_of[UID_TEXT_SIZE]; /* the dead delivery whose edited body this is; "" for all others */
    char *tenant_id;               /* 1 to 50, a name */
    char *data_type;               /* 1 to 50, a name */
    enum priority priority;
    char *content_type; /* of the body */
    char *body;         /* owned, NUL behind it */
    size_t body_size;
    json_t *destinations;     /* array of objects with "name" and, where the request has them, a form */
    json_t *metadata;         /* object of the submitter: --meta; never NULL */
    char *callback_url;       /* NULL: none */
    json_t *callback_headers; /* object of strings, or NULL */
    char *idempotency_key;    /* or NULL */
    char *once_per;           /* a word of period_names[], or NULL: the key is derived, and decides alone */
    char *supersede_key;      /* or NULL; open jobs of the same tenant and key are cancelled */
    char *retry_policy;       /* name, or NULL */
    int64_t requested_at_us;  /* the request's timestamp; 0: none */
    int64_t submitted_at_us;  /* when it was accepted (or entered the pipe) */
    int64_t scheduled_at_us;  /* not routed before; 0: at once */
    int64_t delay_ms;         /* the same as a duration from the acceptance; 0: none */
    int64_t expires_at_us;    /* that was given as a time; 0: none */
    int64_t timeout_ms;       /* the same as a duration from the schedule, or the acceptance; 0: none */
    bool ruled;               /* rules set some of it, or replaced its destinations: see route_job() */
    bool metadata_ruled;      /* of its metadata */
    bool replaced;            /* its destinations are not where it goes: rules took their place */
    unsigned references;
};

/* One reference, a fresh id, priority normal, empty metadata and destinations; everything else NULL or 0. */
struct job *job_new(void);
struct job *job_known(const char *id); /* the same, of one that has an id */
struct job *job_ref(struct job *job);
void job_unref(struct job *job);
/* "<tenant>:<priority>": the name of its lane, and of its deliveries' lane of dist-transform; the caller's.
 */
char *job_lane(const struct job *job);
/* Durations become times, counted from submitted_at_us: for those who have no clock of PostgreSQL's. */
void job_fix_times(struct job *job);

/* What a request may leave open and the command line gives: NULL and 0 mean absent. Borrowed. */
struct job_defaults {
    const char *tenant_id, *data_type, *content_type, *priority;
    const char *idempotency_key, *callback_url, *retry_policy, *once_per, *supersede_key;
    const char *const *to; /* names of destinations or groups */
    size_t to_count;
    bool routed;            /* rules or a default target say where to: a destination need not be named */
    const json_t *metadata; /* object */
    int64_t expires_at_us, expires_in_ms;
    int64_t scheduled_at_us, delay_ms;
    uint64_t max_payload; /* 0: LIMIT_PAYLOAD_DEFAULT */
};

/*
 * A request document. A member that both the document and the defaults give must not differ ("the request
 * says tenant_id 'a', --tenant says 'b'"); --to must name the document's destinations, and metadata are
 * joined. The payload's bytes are the document's own, cut out of it; a payload of another type than JSON is
 * a string with "content_type", or "payload_base64" (both are our additions beside the specification's
 * members, like "metadata", "content_type" and options.expires_at, scheduled_at, delay, once_per and
 * supersede). Where both a timeout and an expiry are given the earlier one holds; a schedule that is not
 * before the expiry is refused. A member that is null is absent, the payload too. The document beside its
 * payload has at most LIMIT_ENVELOPE_EXTRA bytes. Class INPUT with the pointer; what the defaults gave is
 * named by its option of dist-submit: --tenant --type --to --content-type --priority --idempotency-key
 * --once-per --supersede --callback --retry-policy --meta --at --delay --expires. `members`: what
 * json_check() found in these very bytes, which are not checked again; NULL where nobody has.
 */
int job_from_request(const char *text, size_t size, const struct json_members *members,
                     const struct job_defaults *defaults, int64_t now_us, struct job **job,
                     struct fault *fault);

/*
 * A bare payload with everything else from the defaults (tenant, type and, unless it is routed, a destination
 * are required).
 * A body whose content type is JSON (application/json or ...+json) must pass json_check(); `checked`: these
 * very bytes have.
 */
int job_from_payload(const char *body, size_t size, bool checked, const struct job_defaults *defaults,
                     int64_t now_us, struct job **job, struct fault *fault);

/* True where a line is a request document rather than a bare payload: an object with "$schema" of a request,
 * or with both "payload" (or payload_base64) and "destinations". */
bool job_is_request(const char *text, const struct json_members *members);

/* The bytes that make two submissions the same: everything that decides what is delivered and where to,
 * without ids, times and the key itself; the order of members in objects does not count. For the request
 * hash. `out` needs room for the body and LIMIT_ENVELOPE_EXTRA; its `overflow` tells. */
void job_identity(const struct job *job, struct buf *out);

bool job_content_is_json(const char *content_type);
/* The content type by a file's name ("x.csv" text/csv, .xml .pdf .txt .ndjson .json .html .gz ...), or NULL.
 */
const char *job_content_by_name(const char *file_name);
/* type/subtype with parameters, no control characters, at most 255 bytes */
bool job_content_type_is_valid(const char *content_type);
bool job_distribution_id_is_valid(const char *text);

/*
 * The checks that requests and envelopes share. `path` stands in front of the fault: the pointer of the
 * member or the name of the option. Class INPUT.
 */
int job_check_name(const char *path, const char *name, struct fault *fault); /* of a tenant or a data type */
int job_check_distribution_id(const char *path, const char *text, struct fault *fault);
int job_check_idempotency_key(const char *path, const char *key, struct fault *fault); /* and of supersede */
int job_check_content_type(const char *path, const char *content_type, struct fault *fault);
int job_check_metadata(const char *path, const json_t *metadata, struct fault *fault);
/* "/payload: 20 bytes are more than the limit of 10 (DIST_MAX_PAYLOAD)"; `path` may be "". */
int job_check_size(const char *path, uint64_t size, uint64_t max_payload, struct fault *fault);

/* Setting parts of a job after a check of them; what was there is freed. Both copy. */
int job_set_body(struct job *job, const char *path, const void *body, size_t size, uint64_t max_payload,
                 struct fault *fault);
int job_set_body_base64(struct job *job, const char *path, const char *text, uint64_t max_payload,
                        struct fault *fault);
/* `array` holds names and objects with "name", at most LIMIT_TARGETS; each name once. The elements are
 * shared, not copied. */
int job_set_destinations(struct job *job, const json_t *array, const char *path, struct fault *fault);

#endif
