/*
 * s3 - one signed request to an object store that speaks S3's REST API, on an event loop
 *
 *   PUT /reports/acme/1.json HTTP/1.1
 *   host: s3.example.com                       path style; reports.s3.example.com with the virtual host's
 *   x-amz-content-sha256: 2cf24dba...          of the body
 *   x-amz-date: 20130524T000000Z
 *   x-amz-security-token: ...                  of temporary credentials
 *   authorization: AWS4-HMAC-SHA256 ...        sigv4.h; every other field is signed by it
 *
 * What http.h says of deadlines, TLS, the address guard and connections holds here.
 */
#ifndef DIST_S3_H
#define DIST_S3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "http.h"
#include "sigv4.h"

enum {
    S3_HEADERS = 120, /* of one request, without those above */
    S3_CODE_SIZE = 64,
    S3_MESSAGE_SIZE = 201,
    S3_ID_SIZE = 1025, /* of an upload */
    S3_UPLOADS = 50,   /* that one list is asked for */
};

struct s3_bucket {
    const char
        *endpoint; /* "https://s3.eu-south-1.amazonaws.com", a path behind it is kept; no '/' at its end */
    const char *region, *name;
    bool virtual_host; /* the bucket is part of the host's name */
    const char *access_key, *secret_key;
    const char *session_token; /* or NULL */
    const char *ca_file, *cert_file, *key_file;
    const char *proxy; /* as of struct http_request */
    struct guard guard;
};

struct s3_request {
    const char *method;
    const char *key;                    /* of the object, not encoded; NULL: the bucket */
    const char *query;                  /* as of struct sigv4_request */
    const struct sigv4_header *headers; /* in any order; control characters in a value: HTTP_BAD_REQUEST */
    size_t header_count;                /* at most S3_HEADERS, more is HTTP_BAD_REQUEST */
    const void *body;
    size_t body_size;
    const unsigned char *digest; /* its SHA-256 where it is known, DIGEST_SIZE bytes; or NULL */
    int64_t timeout_ms;
};

/* What a store says; printable. */
struct s3_answer {
    char code[S3_CODE_SIZE];       /* of its error, "NoSuchBucket"; "" where there is none */
    char message[S3_MESSAGE_SIZE]; /* for people; "" */
    char upload_id[S3_ID_SIZE];    /* of a new upload in parts; "" */
    char etag[200];                /* of the head as it came, with its quotes; "" */
    bool completed;                /* the body is the whole answer to CompleteMultipartUpload */
};

/* The request's answer is borrowed, and so is the response. */
typedef void (*s3_done)(void *arg, const struct s3_answer *answer, struct http_response *response);
struct s3_call;

/*
 * Everything is borrowed until it is done or cancelled, but the strings of the bucket and the request, which
 * are only until this returns. `done` is called once, later; the call is gone when it returns.
 */
struct s3_call *s3_start(struct http *http, const struct s3_bucket *bucket, const struct s3_request *request,
                         s3_done done, void *arg);
void s3_cancel(struct s3_call *call);

/* Reads the body of an answer; what it does not hold, or is no XML, is "". Pure. */
void s3_answer_read(const char *body, size_t size, struct s3_answer *answer);
/* The ids of the uploads of exactly that key in an answer to "?uploads"; the caller frees each. Pure. */
size_t s3_uploads_read(const char *body, size_t size, const char *key, char *ids[S3_UPLOADS]);

#endif
