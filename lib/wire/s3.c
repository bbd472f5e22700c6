/*
 * s3 - see s3.h
 *
 * The host that is signed is the one that is sent: it goes as a header of our own, so that no rule of the
 * HTTP client about ports changes it.
 */
#include "s3.h"

#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "digest.h"
#include "text.h"
#include "xalloc.h"

enum {
    OWN_HEADERS = 4, /* host, hash, date, token */
    URL_MAX = 8192,
    AUTHORIZATION_MAX = 64 * 1024,
    RESPONSE_MAX = 256 * 1024, /* of a list */
};

struct s3_call {
    struct http_transfer *transfer;
    s3_done done;
    void *arg;
};

/* A request as it is sent. */
struct target {
    struct buf url, host;
    size_t path_at; /* in the url */
    size_t path_size;
};

static void target_release(struct target *target)
{
    buf_release(&target->url);
    buf_release(&target->host);
}

/* "https://" + [bucket.]host + [/prefix] + [/bucket] + /key */
static int target_init(struct target *target, const struct s3_bucket *bucket,
                       const struct s3_request *request)
{
    const char *host = strstr(bucket->endpoint, "://") + 3;
    size_t host_size = strcspn(host, "/");

    buf_init(&target->url, URL_MAX);
    buf_init(&target->host, URL_MAX);
    if (bucket->virtual_host)
        buf_addf(&target->host, "%s.", bucket->name);
    buf_add(&target->host, host, host_size);
    buf_add(&target->url, bucket->endpoint, (size_t)(host - bucket->endpoint));
    buf_add(&target->url, target->host.data, target->host.len);
    target->path_at = target->url.len;
    buf_adds(&target->url, host + host_size);
    if (!bucket->virtual_host)
        buf_addf(&target->url, "/%s", bucket->name);
    if (request->key || bucket->virtual_host)
        buf_addc(&target->url, '/');
    if (request->key)
        text_add_url(&target->url, request->key, "/");
    target->path_size = target->url.len - target->path_at;
    if (request->query[0])
        buf_addf(&target->url, "?%s", request->query);
    return target->url.overflow || target->host.overflow ? -1 : 0;
}

static int compare_headers(const void *a, const void *b)
{
    return strcmp(((const struct sigv4_header *)a)->name, ((const struct sigv4_header *)b)->name);
}

/* Into `lines`, which has room for all and the NULL; each is for secret-free free(). */
static int sign_headers(const struct s3_bucket *bucket, const struct s3_request *request,
                        const struct target *target, char **lines)
{
    struct sigv4_header all[S3_HEADERS + OWN_HEADERS];
    char time[SIGV4_TIME_SIZE], hash[DIGEST_TEXT_SIZE];
    size_t count = 0, line = 0;
    struct buf authorization;

    sigv4_time(clock_wall_us(), time);
    if (request->digest)
        text_hex(request->digest, DIGEST_SIZE, hash);
    else
        digest_sha256(request->body, request->body_size, hash);
    all[count++] = (struct sigv4_header){"host", target->host.data};
    all[count++] = (struct sigv4_header){"x-amz-content-sha256", hash};
    all[count++] = (struct sigv4_header){"x-amz-date", time};
    if (bucket->session_token)
        all[count++] = (struct sigv4_header){"x-amz-security-token", bucket->session_token};
    for (size_t i = 0; i < request->header_count; i++)
        all[count++] = request->headers[i];
    qsort(all, count, sizeof *all, compare_headers);
    char *path = xmemdupz(target->url.data + target->path_at, target->path_size);
    const struct sigv4_key key = {bucket->access_key, bucket->secret_key, bucket->region, "s3"};
    const struct sigv4_request canonical = {
        request->method, path, request->query, all, count, hash,
    };
    buf_init(&authorization, AUTHORIZATION_MAX);
    int result = sigv4_sign(&key, &canonical, time, &authorization);
    for (size_t i = 0; i < count; i++)
        lines[line++] = xasprintf("%s: %s", all[i].name, all[i].value);
    lines[line] = xasprintf("authorization: %s", authorization.data);
    buf_release(&authorization);
    free(path);
    return result;
}

static void on_response(void *arg, struct http_response *response)
{
    struct s3_call *call = arg;
    struct s3_answer answer = {0};

    call->transfer = NULL;
    s3_answer_read(response->body.data, response->body.len, &answer);
    if (response->field.len)
        text_copy(answer.etag, sizeof answer.etag, response->field.data);
    call->done(call->arg, &answer, response);
    free(call);
}

/* What cannot be signed is sent without a URL, which the client refuses: one way to report. */
struct s3_call *s3_start(struct http *http, const struct s3_bucket *bucket, const struct s3_request *request,
                         s3_done done, void *arg)
{
    struct s3_call *call = xcalloc(1, sizeof *call);
    char *lines[S3_HEADERS + OWN_HEADERS + 2] = {0};
    struct target target;

    *call = (struct s3_call){.done = done, .arg = arg};
    bool good = target_init(&target, bucket, request) == 0 && request->header_count <= S3_HEADERS &&
                sign_headers(bucket, request, &target, lines) == 0;
    const struct http_request sent = {
        .method = request->method,
        .url = good ? target.url.data : "",
        .headers = (const char *const *)lines,
        .body = request->body_size ? request->body : NULL,
        .body_size = request->body_size,
        .timeout_ms = request->timeout_ms,
        .guard = bucket->guard,
        .ca_file = bucket->ca_file,
        .cert_file = bucket->cert_file,
        .key_file = bucket->key_file,
        .proxy = bucket->proxy,
        .field = "ETag:",
        .max_response = RESPONSE_MAX,
    };
    call->transfer = http_start(http, &sent, on_response, call);
    for (char **line = lines; *line; line++) {
        explicit_bzero(*line, strlen(*line));
        free(*line);
    }
    target_release(&target);
    return call;
}

void s3_cancel(struct s3_call *call)
{
    if (!call)
        return;
    if (call->transfer)
        http_cancel(call->transfer);
    free(call);
}
