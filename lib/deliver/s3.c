/*
 * s3 - the body as one object
 *
 *   PUT /bucket/acme/2024-01-15/dist-uuid-123.json HTTP/1.1
 *   content-type: application/json             of the body; content-* of the format likewise
 *   x-amz-checksum-sha256: LPJNul+wow4m6Dsq... the store checks it, and keeps it
 *   x-amz-meta-delivery-id: 0190b2c4-...       the same on every attempt
 *   x-amz-server-side-encryption: aws:kms      where the form says so
 *
 * The key is the same on every attempt, so a second one puts the same object again: there is never another.
 * A body of more than part_size bytes goes in parts (s3_parts.c). The access key is the credentials'
 * "access_key" and "secret_key", with "session_token" where they are temporary.
 */
#include "s3_upload.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "ceilings.h"
#include "clock.h"
#include "digest.h"
#include "excerpt.h"
#include "http_event.h"
#include "secret.h"
#include "text.h"
#include "xalloc.h"

enum { KEY_MAX = 1024 /* of S3, in bytes */, FIELDS_FREE = 8 /* for what a request adds to an object's */ };

/* Header fields */

void s3_fields_add(struct s3_fields *fields, const char *name, char *value)
{
    if (!value || fields->count == S3_HEADERS) {
        free(value);
        return;
    }
    fields->names[fields->count] = xstrdup(name);
    fields->values[fields->count] = value;
    fields->items[fields->count] = (struct sigv4_header){fields->names[fields->count], text_trim(value)};
    fields->count++;
}

void s3_fields_release(struct s3_fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        free(fields->names[i]);
        free(fields->values[i]);
    }
    fields->count = 0;
}

/* A field of the format: content-encoding as it is, any other as metadata, which is what a store keeps. */
static void add_format(struct s3_fields *fields, const char *name, const char *value)
{
    bool own = strncasecmp(name, "content-", 8) == 0;
    char *lower = xasprintf("%s%s", own ? "" : "x-amz-meta-", name);

    for (char *c = lower; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (fields->count + FIELDS_FREE < S3_HEADERS)
        s3_fields_add(fields, lower, xstrdup(value));
    free(lower);
}

void s3_fields_add_object(struct s3_fields *fields, const struct s3_upload *upload)
{
    const struct attempt *attempt = &upload->pending.attempt;
    const struct destination *destination = attempt->destination;
    const char *type = attempt->content_type;
    const char *name;
    json_t *value;

    s3_fields_add(fields, "content-type", xstrdup(type ? type : "application/octet-stream"));
    s3_fields_add(fields, "x-amz-meta-delivery-id", xstrdup(attempt->message_id));
    s3_fields_add(fields, "x-amz-server-side-encryption",
                  destination->encryption ? xstrdup(destination->encryption) : NULL);
    s3_fields_add(fields, "x-amz-server-side-encryption-aws-kms-key-id",
                  destination->kms_key_id ? xstrdup(destination->kms_key_id) : NULL);
    json_object_foreach ((json_t *)attempt->headers, name, value)
        add_format(fields, name, json_string_value(value));
}

char *s3_checksum(const unsigned char *digest)
{
    struct buf text;

    buf_init(&text, DIGEST_TEXT_SIZE);
    text_add_base64(&text, digest, DIGEST_SIZE);
    return buf_steal(&text, NULL);
}

/* Requests and answers */

bool s3_send(struct s3_upload *upload, struct s3_request *request, int64_t reserve_ms, s3_done done)
{
    request->timeout_ms = upload->deadline_ms - clock_mono_ms() - reserve_ms;
    if (request->timeout_ms <= 0) {
        pending_set_event(&upload->pending, EVENT_TIMEOUT, "not done in time");
        return false;
    }
    upload->call = s3_start(upload->http, &upload->bucket, request, done, upload);
    return true;
}

static void keep_response(struct s3_upload *upload, const struct http_response *response)
{
    struct buf *kept = &upload->pending.outcome.response;
    size_t room = kept->max < response->body.len ? kept->max : response->body.len;

    buf_clear(kept);
    buf_add(kept, response->body.data, room);
    if (upload->pending.attempt.secret)
        excerpt_mask_secret(kept, upload->pending.attempt.secret);
}

/* A message repeats what was sent: it goes through the mask as the response does. */
static void mask_message(const struct s3_upload *upload, const char *message, char out[S3_MESSAGE_SIZE])
{
    struct buf said;

    buf_init(&said, S3_MESSAGE_SIZE - 1);
    buf_adds(&said, message);
    if (upload->pending.attempt.secret)
        excerpt_mask_secret(&said, upload->pending.attempt.secret);
    text_copy(out, S3_MESSAGE_SIZE, said.data);
    buf_release(&said);
}

bool s3_judge(struct s3_upload *upload, const char *doing, const struct s3_answer *answer,
              const struct http_response *response)
{
    struct pending *pending = &upload->pending;
    const char *colon = *doing ? ": " : "";
    char message[S3_MESSAGE_SIZE];

    if (response->result != HTTP_ANSWERED) {
        pending_set_event(pending, http_event(response->result), "%s%s%s", doing, colon, response->text);
        return false;
    }
    bool success = response->status >= 200 && response->status <= 299 && !answer->code[0];
    if (success)
        return true;
    /* An upload in parts may be refused behind a 200: that is no status to judge by. */
    int code = outcomes_code(&outcomes_s3, answer->code);
    int status = response->status <= 299 ? 500 : response->status;
    const struct answer *row = outcomes_by_code(&outcomes_s3, code ? code : status);
    keep_response(upload, response);
    mask_message(upload, answer->message, message);
    pending_set(pending, row, response->status, "%s%sHTTP %d %s%s%s", doing, colon, response->status,
                answer->code[0] ? answer->code : row->meaning, *message ? ": " : "", message);
    pending->outcome.retry_after_ms = response->retry_after_ms;
    return false;
}

/* One PUT */

static void on_put(void *arg, const struct s3_answer *answer, struct http_response *response)
{
    struct s3_upload *upload = arg;

    upload->call = NULL; /* it is gone when this returns */
    if (s3_judge(upload, "", answer, response)) {
        keep_response(upload, response);
        pending_set(&upload->pending, outcomes_by_code(&outcomes_s3, response->status), response->status,
                    "%s", "");
    }
    pending_report(&upload->pending);
}

static void put(struct s3_upload *upload)
{
    const struct attempt *attempt = &upload->pending.attempt;
    unsigned char digest[DIGEST_SIZE];
    struct s3_fields fields = {.count = 0};

    digest_sha256_bytes(attempt->body, attempt->body_size, digest);
    s3_fields_add_object(&fields, upload);
    s3_fields_add(&fields, "x-amz-checksum-sha256",
                  attempt->destination->checksum ? s3_checksum(digest) : NULL);
    struct s3_request request = {
        .method = "PUT",
        .key = upload->key,
        .query = "",
        .headers = fields.items,
        .header_count = fields.count,
        .body = attempt->body,
        .body_size = attempt->body_size,
        .digest = digest,
    };
    if (!s3_send(upload, &request, 0, on_put))
        pending_report_later(&upload->pending);
    s3_fields_release(&fields);
}

/* The attempt */

static void upload_free(struct pending *pending)
{
    struct s3_upload *upload = (struct s3_upload *)pending;

    s3_cancel(upload->call);
    s3_parts_release(upload);
    free(upload->endpoint);
    free(upload->key);
    pending_release(pending);
    free(upload);
}

static int set_bucket(struct s3_upload *upload, struct adapter_context *context, struct fault *fault)
{
    const struct destination *destination = upload->pending.attempt.destination;
    const struct secret *secret = upload->pending.attempt.secret;

    if (!secret || !secret->access_key || !secret->secret_key)
        return fault_set(fault, FAULT_DENIED,
                         "\"credentials\" with \"access_key\" and \"secret_key\" are wanted");
    upload->endpoint = destination->endpoint ? xstrdup(destination->endpoint)
                                             : xasprintf("https://s3.%s.amazonaws.com", destination->region);
    upload->bucket = (struct s3_bucket){
        .endpoint = upload->endpoint,
        .region = destination->region,
        .name = destination->bucket,
        .virtual_host = destination->virtual_host,
        .access_key = secret->access_key,
        .secret_key = secret->secret_key,
        .session_token = secret->session_token,
        .ca_file = destination->ca_file,
        .cert_file = destination->cert_file,
        .key_file = destination->key_file,
        .proxy = attempt_proxy(context, &upload->pending.attempt),
        .guard = attempt_guard(context, &upload->pending.attempt),
    };
    return 0;
}

static int set_key(struct s3_upload *upload, struct fault *fault)
{
    struct placeholders values = pending_placeholders(&upload->pending, false);
    struct buf key;

    buf_init(&key, KEY_MAX);
    int result =
        placeholders_expand(upload->pending.attempt.destination->key, &values, ESCAPE_PATH, &key, fault);
    upload->key = buf_steal(&key, NULL);
    return result;
}

static struct s3_upload *upload_new(struct adapter_context *context, const struct attempt *attempt,
                                    attempt_done done, void *arg)
{
    struct s3_upload *upload = xcalloc(1, sizeof *upload);

    pending_init(&upload->pending, &adapter_s3, context, attempt, done, arg, upload_free);
    upload->http = context->http;
    upload->deadline_ms = clock_mono_ms() + attempt->destination->timeout_ms;
    return upload;
}

static struct attempt_handle *upload_start(struct adapter_context *context, const struct attempt *attempt,
                                           attempt_done done, void *arg)
{
    struct s3_upload *upload = upload_new(context, attempt, done, arg);
    struct fault fault = {0};

    if (set_bucket(upload, context, &fault)) {
        pending_set_misconfigured(&upload->pending, "credentials", &fault);
        pending_report_later(&upload->pending);
    } else if (set_key(upload, &fault)) {
        pending_set_misconfigured(&upload->pending, "key", &fault);
        pending_report_later(&upload->pending);
    } else if ((int64_t)attempt->body_size > attempt->destination->part_size) {
        s3_parts_start(upload);
    } else {
        put(upload);
    }
    return &upload->pending.handle;
}

/* Parts that are there already are cleared away by the next attempt. */
static void upload_cancel(struct attempt_handle *handle)
{
    upload_free((struct pending *)handle);
}

/* HEAD of the bucket: it exists, and the key may see it. Nothing is written. */
static int upload_check(struct adapter_context *context, const struct destination *destination,
                        const struct secret *secret, struct fault *fault)
{
    struct pending_trial trial = {.fault = fault};
    const struct attempt attempt = {.destination = destination, .secret = secret};
    struct s3_upload *upload = upload_new(context, &attempt, pending_trial_done, &trial);
    struct s3_request request = {.method = "HEAD", .query = ""};
    struct fault wrong = {0};

    if (set_bucket(upload, context, &wrong)) {
        pending_set_misconfigured(&upload->pending, "credentials", &wrong);
        pending_report_later(&upload->pending);
    } else if (!s3_send(upload, &request, 0, on_put)) {
        pending_report_later(&upload->pending);
    }
    return pending_trial_run(&trial, context);
}

const struct adapter adapter_s3 = {PROTOCOL_S3, &outcomes_s3, upload_start, upload_cancel, upload_check};
