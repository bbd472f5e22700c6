/*
 * sigv4 - AWS Signature Version 4 of a request whose body is hashed ("AWS4-HMAC-SHA256")
 *
 * Source: "Create a signed AWS API request" of the IAM User Guide, and the examples of "Signature
 * Calculations for the Authorization Header" of the S3 API Reference. libcurl 7.88 has one too, which does
 * not sort a query and signs no headers but its own. Pure: no clock, no fd.
 */
#ifndef DIST_SIGV4_H
#define DIST_SIGV4_H

#include <stddef.h>
#include <stdint.h>
#include "buf.h"

enum { SIGV4_TIME_SIZE = 17 }; /* "20130524T000000Z" */

struct sigv4_key {
    const char *access_key, *secret_key;
    const char *region, *service; /* "eu-south-1", "s3" */
};

/* A header field that is signed: its name in lower case, its value without blanks at the ends. */
struct sigv4_header {
    const char *name, *value;
};

struct sigv4_request {
    const char *method;
    const char *path;                   /* percent-encoded, as it is sent */
    const char *query;                  /* percent-encoded, sorted by name, each name with its '='; "" */
    const struct sigv4_header *headers; /* sorted by name; host and x-amz-date are among them */
    size_t header_count;
    const char *payload_hash; /* SHA-256 of the body, in hexadecimal */
};

/* The time of x-amz-date. */
void sigv4_time(int64_t wall_us, char text[SIGV4_TIME_SIZE]);
/* Appends the value of the Authorization header; -1 where it is full. `time` is what x-amz-date says. */
int sigv4_sign(const struct sigv4_key *key, const struct sigv4_request *request, const char *time,
               struct buf *authorization);

#endif
