/*
 * s3_upload - an attempt to put one object; inside of s3*.c
 */
#ifndef DIST_S3_UPLOAD_H
#define DIST_S3_UPLOAD_H

#include "pending.h"
#include "s3.h"

struct s3_part {
    char *etag;
    char *checksum; /* base64, or NULL */
};

struct s3_upload {
    struct pending pending; /* first */
    struct http *http;
    struct s3_bucket bucket;
    char *endpoint, *key; /* of the bucket and of the object; its own */
    struct s3_call *call;
    int64_t deadline_ms; /* clock_mono_ms() */

    /* In parts, s3_parts.c */
    struct event *again;   /* the next try of an abort */
    char *old[S3_UPLOADS]; /* uploads of the same key that an earlier attempt left behind */
    size_t old_count;
    char *upload_id;
    struct s3_part *parts;
    size_t part_count, part; /* all of them, the one under way */
    struct buf manifest;     /* the body that completes it */
    int aborts;
};

/* The header fields of a request; `values` are freed by s3_fields_release(). */
struct s3_fields {
    struct sigv4_header items[S3_HEADERS];
    char *values[S3_HEADERS], *names[S3_HEADERS];
    size_t count;
};
void s3_fields_add(struct s3_fields *fields, const char *name, char *value); /* takes the value; NULL: none */
void s3_fields_release(struct s3_fields *fields);
/* Those of the object: its type, whose it is, how it is encrypted. */
void s3_fields_add_object(struct s3_fields *fields, const struct s3_upload *upload);
char *s3_checksum(const unsigned char *digest); /* base64; the caller frees */

/*
 * Sends the request, whose timeout is what is left of the attempt less `reserve_ms`; where nothing is left,
 * false, and the outcome is set.
 */
bool s3_send(struct s3_upload *upload, struct s3_request *request, int64_t reserve_ms, s3_done done);
/* Whether it is a success; else the outcome is set. `doing` ("part 3") is put in front of its text. */
bool s3_judge(struct s3_upload *upload, const char *doing, const struct s3_answer *answer,
              const struct http_response *response);

/* The body in parts, from start(); ends by pending_report() or pending_report_later(). */
void s3_parts_start(struct s3_upload *upload);
void s3_parts_release(struct s3_upload *upload);

#endif
