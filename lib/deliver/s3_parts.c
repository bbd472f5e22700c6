/*
 * s3_parts - a large body as an upload in parts, one after the other
 *
 *   GET  /bucket?max-uploads=50&prefix=KEY&uploads=   what earlier attempts for this key left behind
 *   DELETE /bucket/KEY?uploadId=OLD                   ... is aborted
 *   POST /bucket/KEY?uploads=                         the id of a new upload
 *   PUT  /bucket/KEY?partNumber=1&uploadId=ID         each part; its ETag is kept
 *   POST /bucket/KEY?uploadId=ID                      the list of parts: from here on the object is there
 *   DELETE /bucket/KEY?uploadId=ID                    instead, where something failed
 *
 * Parts that are never completed or aborted are kept, and paid for, for ever, and no list of objects shows
 * them. So a part of the attempt's time is kept back for the abort, an abort that fails is tried again within
 * it, what is left then is told in the outcome's text, and the next attempt for the key aborts it: the list
 * is asked before anything is sent, which also finds what a killed process left. A store that has no such
 * list, or does not let us see it, is not asked more of. An upload of another attempt at the same time for
 * the same key loses its parts, fails by NoSuchUpload, and is tried again.
 */
#include "s3_upload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <event2/event.h>
#include "clock.h"
#include "digest.h"
#include "text.h"
#include "xalloc.h"

enum {
    RESERVE_MS = 5000, /* for the abort, of a long timeout */
    RESERVE_SHARE = 4, /* of a short one */
    ABORTS = 4,
    ABORT_PAUSE_MS = 100, /* doubled each time */
    MANIFEST_MAX = 1024 * 1024,
    QUERY_MAX = 8192,
};

static void create(struct s3_upload *upload);
static void send_part(struct s3_upload *upload);
static void abort_upload(struct s3_upload *upload);
static void abort_old(struct s3_upload *upload);

static int64_t reserve_ms(const struct s3_upload *upload)
{
    int64_t share = upload->pending.attempt.destination->timeout_ms / RESERVE_SHARE;
    return share < RESERVE_MS ? share : RESERVE_MS;
}

void s3_parts_release(struct s3_upload *upload)
{
    if (upload->again)
        event_free(upload->again);
    while (upload->old_count)
        free(upload->old[--upload->old_count]);
    for (size_t i = 0; upload->parts && i < upload->part_count; i++) {
        free(upload->parts[i].etag);
        free(upload->parts[i].checksum);
    }
    free(upload->parts);
    free(upload->upload_id);
    buf_release(&upload->manifest);
}

/* The end: at once where there is no upload to abort. The outcome is set. */
static void fail(struct s3_upload *upload)
{
    if (upload->upload_id)
        abort_upload(upload);
    else
        pending_report(&upload->pending);
}

/* `query` with the id at its end. */
static char *query_of(const char *query, const char *upload_id)
{
    struct buf text;

    buf_init(&text, QUERY_MAX);
    buf_adds(&text, query);
    text_add_url(&text, upload_id, "");
    return buf_steal(&text, NULL);
}

/* Aborting */

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    abort_upload(arg);
}

static bool is_gone(const struct s3_answer *answer, const struct http_response *response)
{
    return response->result == HTTP_ANSWERED &&
           ((response->status <= 299 && !answer->code[0]) || strcmp(answer->code, "NoSuchUpload") == 0);
}

/* The first failure is the outcome's; that its parts are still there is told behind it. */
static void tell_left(struct s3_upload *upload, const char *why)
{
    char *text = upload->pending.outcome.text;
    size_t size = sizeof upload->pending.outcome.text, used = strlen(text);
    char left[200];

    snprintf(left, sizeof left, "; parts are left (upload %.60s: %.80s)", upload->upload_id, why);
    text_printable(left);
    if (used + strlen(left) + 1 > size)
        used = size - strlen(left) - 1;
    text_copy(text + used, size - used, left);
    text_printable(text);
}

static void on_aborted(void *arg, const struct s3_answer *answer, struct http_response *response)
{
    struct s3_upload *upload = arg;
    int64_t pause_ms = (int64_t)ABORT_PAUSE_MS << upload->aborts;
    struct timeval pause = {.tv_sec = pause_ms / 1000, .tv_usec = pause_ms % 1000 * 1000};
    const char *why = answer->code[0] ? answer->code : response->text[0] ? response->text : "no success";

    upload->call = NULL;
    upload->aborts++;
    if (is_gone(answer, response)) {
        pending_report(&upload->pending);
        return;
    }
    if (upload->aborts < ABORTS && clock_mono_ms() + pause_ms < upload->deadline_ms) {
        if (!upload->again)
            upload->again = evtimer_new(upload->pending.base, on_again, upload);
        if (upload->again && evtimer_add(upload->again, &pause) == 0)
            return;
    }
    tell_left(upload, why);
    pending_report(&upload->pending);
}

/* The time that is left is shared among the tries, so that a store that does not answer is asked twice. */
static void abort_upload(struct s3_upload *upload)
{
    char *query = query_of("uploadId=", upload->upload_id);
    struct s3_request request = {.method = "DELETE", .key = upload->key, .query = query};
    int64_t left_ms = upload->deadline_ms - clock_mono_ms();

    request.timeout_ms = upload->aborts ? left_ms : left_ms / 2;
    if (request.timeout_ms > 0) {
        upload->call = s3_start(upload->http, &upload->bucket, &request, on_aborted, upload);
    } else {
        tell_left(upload, "no time was left");
        pending_report(&upload->pending);
    }
    free(query);
}

/* Completing */

static void on_completed(void *arg, const struct s3_answer *answer, struct http_response *response)
{
    struct s3_upload *upload = arg;

    upload->call = NULL;
    if (!s3_judge(upload, "completing the upload", answer, response)) {
        fail(upload);
        return;
    }
    if (!answer->completed) { /* it broke off behind its 200, and an error may stand there; no head tells */
        pending_set_event(&upload->pending, EVENT_BROKEN, "completing the upload: the answer broke off");
        fail(upload);
        return;
    }
    pending_set(&upload->pending, outcomes_by_code(&outcomes_s3, response->status), response->status, "%s",
                "");
    pending_report(&upload->pending);
}

/* An ETag has quotes, and nothing keeps a store from having more in it. */
static void add_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (strchr("&<>\"", *text))
            buf_addf(out, "&#%d;", *text);
        else
            buf_addc(out, *text);
    }
}

static void complete(struct s3_upload *upload)
{
    struct s3_fields fields = {.count = 0};
    struct buf *manifest = &upload->manifest;
    char *query = query_of("uploadId=", upload->upload_id);

    buf_init(manifest, MANIFEST_MAX);
    buf_adds(manifest, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (size_t i = 0; i < upload->part_count; i++) {
        buf_addf(manifest, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1);
        add_escaped(manifest, upload->parts[i].etag);
        buf_adds(manifest, "</ETag>");
        if (upload->parts[i].checksum)
            buf_addf(manifest, "<ChecksumSHA256>%s</ChecksumSHA256>", upload->parts[i].checksum);
        buf_adds(manifest, "</Part>");
    }
    buf_adds(manifest, "</CompleteMultipartUpload>");
    s3_fields_add(&fields, "content-type", xstrdup("application/xml"));
    struct s3_request request = {
        .method = "POST",
        .key = upload->key,
        .query = query,
        .headers = fields.items,
        .header_count = fields.count,
        .body = manifest->data,
        .body_size = manifest->len,
    };
    if (!s3_send(upload, &request, reserve_ms(upload), on_completed))
        fail(upload);
    s3_fields_release(&fields);
    free(query);
}

/* Parts */

static void on_part(void *arg, const struct s3_answer *answer, struct http_response *response)
{
    struct s3_upload *upload = arg;
    char doing[40];

    upload->call = NULL;
    snprintf(doing, sizeof doing, "part %zu of %zu", upload->part + 1, upload->part_count);
    if (!s3_judge(upload, doing, answer, response)) {
        fail(upload);
        return;
    }
    if (!answer->etag[0]) {
        pending_set_event(&upload->pending, EVENT_BROKEN, "%s: the store gave it no ETag", doing);
        fail(upload);
        return;
    }
    upload->parts[upload->part++].etag = xstrdup(answer->etag);
    if (upload->part < upload->part_count)
        send_part(upload);
    else
        complete(upload);
}

static void send_part(struct s3_upload *upload)
{
    const struct attempt *attempt = &upload->pending.attempt;
    size_t at = upload->part * (size_t)attempt->destination->part_size, left = attempt->body_size - at;
    struct s3_part *part = &upload->parts[upload->part];
    unsigned char digest[DIGEST_SIZE];
    struct s3_fields fields = {.count = 0};
    char start[60];

    snprintf(start, sizeof start, "partNumber=%zu&uploadId=", upload->part + 1);
    char *query = query_of(start, upload->upload_id);
    struct s3_request request = {
        .method = "PUT",
        .key = upload->key,
        .query = query,
        .headers = fields.items,
        .body = (const char *)attempt->body + at,
        .body_size =
            left < (size_t)attempt->destination->part_size ? left : (size_t)attempt->destination->part_size,
        .digest = digest,
    };
    digest_sha256_bytes(request.body, request.body_size, digest);
    if (attempt->destination->checksum) {
        part->checksum = s3_checksum(digest);
        s3_fields_add(&fields, "x-amz-checksum-sha256", xstrdup(part->checksum));
    }
    request.header_count = fields.count;
    if (!s3_send(upload, &request, reserve_ms(upload), on_part))
        fail(upload);
    s3_fields_release(&fields);
    free(query);
}

static void on_created(void *arg, const struct s3_answer *answer, struct http_response *response)
{
    struct s3_upload *upload = arg;
    size_t part_size = (size_t)upload->pending.attempt.destination->part_size;

    upload->call = NULL;
    if (!s3_judge(upload, "beginning the upload", answer, response)) {
        fail(upload);
        return;
    }
    if (!answer->upload_id[0]) {
        pending_set_event(&upload->pending, EVENT_BROKEN, "beginning the upload: the store gave it no id");
        fail(upload);
        return;
    }
    upload->upload_id = xstrdup(answer->upload_id);
    upload->part_count = (upload->pending.attempt.body_size + part_size - 1) / part_size;
    upload->parts = xcalloc(upload->part_count, sizeof *upload->parts);
    send_part(upload);
}

static void create(struct s3_upload *upload)
{
    struct s3_fields fields = {.count = 0};

    s3_fields_add_object(&fields, upload);
    s3_fields_add(&fields, "x-amz-checksum-algorithm",
                  upload->pending.attempt.destination->checksum ? xstrdup("SHA256") : NULL);
    struct s3_request request = {
        .method = "POST",
        .key = upload->key,
        .query = "uploads=",
        .headers = fields.items,
        .header_count = fields.count,
    };
    if (!s3_send(upload, &request, reserve_ms(upload), on_created))
        fail(upload);
    s3_fields_release(&fields);
}

/* What earlier attempts left behind. */

static void on_old_aborted(void *arg, const struct s3_answer *answer, struct http_response *response)
{
    struct s3_upload *upload = arg;

    (void)answer;
    (void)response; /* what is still there is found by the next attempt */
    upload->call = NULL;
    abort_old(upload);
}

static void abort_old(struct s3_upload *upload)
{
    if (upload->old_count == 0) {
        create(upload);
        return;
    }
    char *id = upload->old[--upload->old_count];
    char *query = query_of("uploadId=", id);
    struct s3_request request = {.method = "DELETE", .key = upload->key, .query = query};
    if (!s3_send(upload, &request, reserve_ms(upload), on_old_aborted))
        fail(upload);
    free(query);
    free(id);
}

static void on_listed(void *arg, const struct s3_answer *answer, struct http_response *response)
{
    struct s3_upload *upload = arg;

    upload->call = NULL;
    if (response->result != HTTP_ANSWERED) { /* nothing else would get through either */
        s3_judge(upload, "", answer, response);
        fail(upload);
        return;
    }
    if (response->status <= 299)
        upload->old_count =
            s3_uploads_read(response->body.data, response->body.len, upload->key, upload->old);
    abort_old(upload);
}

void s3_parts_start(struct s3_upload *upload)
{
    char start[60];

    snprintf(start, sizeof start, "max-uploads=%d&prefix=", S3_UPLOADS);
    struct buf query;
    buf_init(&query, QUERY_MAX);
    buf_adds(&query, start);
    text_add_url(&query, upload->key, "");
    buf_adds(&query, "&uploads=");
    struct s3_request request = {.method = "GET", .query = query.data};
    if (!s3_send(upload, &request, reserve_ms(upload), on_listed))
        pending_report_later(&upload->pending);
    buf_release(&query);
}
