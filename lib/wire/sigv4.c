/*
 * sigv4 - see sigv4.h
 *
 * The key of a day is derived from the secret by four HMACs; it signs the digest of a canonical form of the
 * request, which both sides build alike:
 *
 *   PUT \n /bucket/key \n query \n host:...\nx-amz-date:...\n \n host;x-amz-date \n hash of the body
 *
 * What is derived from the secret is overwritten.
 */
#include "sigv4.h"

#include <stdio.h>
#include <string.h>
#include "clock.h"
#include "digest.h"
#include "text.h"

enum { DAY_SIZE = 8, KEY_MAX = 4 + 1024, CANONICAL_MAX = 256 * 1024, SCOPE_MAX = 512 };

void sigv4_time(int64_t wall_us, char text[SIGV4_TIME_SIZE])
{
    char full[CLOCK_TEXT_SIZE]; /* 2013-05-24T00:00:00Z */
    size_t used = 0;

    clock_format(wall_us - wall_us % 1000000, full);
    for (const char *c = full; *c && used + 1 < SIGV4_TIME_SIZE; c++)
        if (*c != '-' && *c != ':')
            text[used++] = *c;
    text[used] = '\0';
}

static void add_names(struct buf *out, const struct sigv4_request *request)
{
    for (size_t i = 0; i < request->header_count; i++)
        buf_addf(out, "%s%s", i ? ";" : "", request->headers[i].name);
}

/* A run of blanks counts as one. */
static void add_value(struct buf *out, const char *value)
{
    for (const char *c = value; *c; c++)
        if (*c != ' ' || c[1] != ' ')
            buf_addc(out, *c);
}

/* The digest of the canonical request. */
static int digest_request(const struct sigv4_request *request, char hex[DIGEST_TEXT_SIZE])
{
    struct buf text;

    buf_init(&text, CANONICAL_MAX);
    buf_addf(&text, "%s\n%s\n%s\n", request->method, request->path, request->query);
    for (size_t i = 0; i < request->header_count; i++) {
        buf_addf(&text, "%s:", request->headers[i].name);
        add_value(&text, request->headers[i].value);
        buf_addc(&text, '\n');
    }
    buf_addc(&text, '\n');
    add_names(&text, request);
    buf_addf(&text, "\n%s", request->payload_hash);
    int result = text.overflow ? -1 : 0;
    digest_sha256(text.data, text.len, hex);
    if (text.len)
        explicit_bzero(text.data, text.len); /* a session token is among the headers */
    buf_release(&text);
    return result;
}

static void derive_key(const struct sigv4_key *key, const char *time, const char *first, size_t first_size,
                       unsigned char derived[DIGEST_SIZE])
{
    const char *const rest[] = {key->region, key->service, "aws4_request"};

    digest_hmac_sha256(first, first_size, time, DAY_SIZE, derived);
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        unsigned char next[DIGEST_SIZE];
        digest_hmac_sha256(derived, DIGEST_SIZE, rest[i], strlen(rest[i]), next);
        memcpy(derived, next, DIGEST_SIZE);
        explicit_bzero(next, sizeof next);
    }
}

int sigv4_sign(const struct sigv4_key *key, const struct sigv4_request *request, const char *time,
               struct buf *authorization)
{
    char hash[DIGEST_TEXT_SIZE], signature[DIGEST_TEXT_SIZE], scope[SCOPE_MAX], first[KEY_MAX];
    char to_sign[SCOPE_MAX + 2 * DIGEST_TEXT_SIZE];
    unsigned char derived[DIGEST_SIZE], digest[DIGEST_SIZE];
    int first_size = snprintf(first, sizeof first, "AWS4%s", key->secret_key);
    int scope_size =
        snprintf(scope, sizeof scope, "%.8s/%s/%s/aws4_request", time, key->region, key->service);
    int result = -1;

    if (first_size >= KEY_MAX || scope_size >= SCOPE_MAX || digest_request(request, hash))
        goto out;
    snprintf(to_sign, sizeof to_sign, "AWS4-HMAC-SHA256\n%s\n%s\n%s", time, scope, hash);
    derive_key(key, time, first, (size_t)first_size, derived);
    digest_hmac_sha256(derived, DIGEST_SIZE, to_sign, strlen(to_sign), digest);
    explicit_bzero(derived, sizeof derived);
    text_hex(digest, sizeof digest, signature);
    buf_addf(authorization, "AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=", key->access_key, scope);
    add_names(authorization, request);
    buf_addf(authorization, ",Signature=%s", signature);
    result = authorization->overflow ? -1 : 0;
out:
    explicit_bzero(first, sizeof first);
    return result;
}
