/*
 * hdfs - the body as a new file of a Hadoop file system, by WebHDFS
 *
 *   state    operation                             then
 *   LOOK     GETFILESTATUS of the file             there: COMPARE; not there: WRITE. Not before a first
 * attempt WRITE    CREATE of FOLDER/.DELIVERY.NUMBER.tmp RENAME RENAME   RENAME to the file, never over one
 * true: PLACED; false: STATUS PLACED   GETFILESTATUS of the file             of our length: the end; a
 * folder: it was moved into it STATUS   GETFILESTATUS of the file             of our length: COMPARE; else
 * something else is in the way COMPARE  OPEN, the whole of it                 the same bytes: there already;
 * else another file CLEAR    DELETE of temporary files             the end, with the outcome that was set
 * before
 *
 * Nobody sees half a file under its name, and no file is ever replaced. The temporary name is of the attempt,
 * so that an earlier one whose bytes are still on their way writes into another file; it is as long for every
 * name, which may be as long as the file system allows. It is deleted whenever an attempt that wrote it
 * fails, with what time there is, and once more when the delivery ends. A file that is there with the same
 * bytes is ours: an earlier attempt whose answer was lost. Bytes are compared, and not the file system's
 * checksum, which depends on the sizes of its blocks; they are read only where the length is the same.
 */
#include "pending.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ceilings.h"
#include "clock.h"
#include "excerpt.h"
#include "http_event.h"
#include "secret.h"
#include "text.h"
#include "webhdfs.h"
#include "xalloc.h"

enum {
    PATH_BYTES = 8000, /* of Hadoop, in characters */
    RESERVE_MS = 2000, /* for the deletion of a temporary file, of a long timeout */
    RESERVE_SHARE = 5, /* of a short one */
    EARLIER = 9,       /* attempts whose temporary files are looked after */
    LEFTOVERS = 2 * (EARLIER + 1),
};

struct hdfs {
    struct pending pending; /* first */
    struct http *http;
    struct webhdfs server;
    struct webhdfs_call *call;
    int64_t deadline_ms; /* of all */
    char *path, *temporary;
    bool wrote;     /* there may be a temporary file of this attempt */
    bool is_folder; /* the path is a folder: a temporary file of ours may be in it */
    char *leftovers[LEFTOVERS];
    size_t leftover_count; /* still to be deleted */
};

static void hdfs_free(struct pending *pending)
{
    struct hdfs *hdfs = (struct hdfs *)pending;

    webhdfs_cancel(hdfs->call);
    free(hdfs->path);
    free(hdfs->temporary);
    while (hdfs->leftover_count)
        free(hdfs->leftovers[--hdfs->leftover_count]);
    pending_release(pending);
    free(hdfs);
}

/* The end */

/* Beside the file, or in the folder that is there in its place. */
static char *temporary_of(const struct hdfs *hdfs, bool inside, int number)
{
    size_t size = inside ? strlen(hdfs->path) + 1 : (size_t)(strrchr(hdfs->path, '/') + 1 - hdfs->path);

    return xasprintf("%.*s%s.%s.%d.tmp", (int)size, hdfs->path, inside ? "/" : "",
                     hdfs->pending.attempt.message_id, number);
}

static void clear_next(struct hdfs *hdfs);

static void on_cleared(void *arg, const struct webhdfs_answer *answer)
{
    struct hdfs *hdfs = arg;

    hdfs->call = NULL;
    while (hdfs->leftover_count && answer->result != WEBHDFS_ANSWERED) /* nor would it answer the next */
        free(hdfs->leftovers[--hdfs->leftover_count]);
    clear_next(hdfs);
}

static void clear_next(struct hdfs *hdfs)
{
    if (hdfs->leftover_count == 0 || clock_mono_ms() >= hdfs->deadline_ms) {
        pending_report(&hdfs->pending);
        return;
    }
    char *path = hdfs->leftovers[--hdfs->leftover_count];
    const struct webhdfs_request request = {
        .method = "DELETE", .op = "DELETE", .path = path, .query = "", .deadline_ms = hdfs->deadline_ms};
    hdfs->call = webhdfs_start(hdfs->http, &hdfs->server, &request, on_cleared, hdfs);
    free(path);
}

/* The outcome is set. What earlier attempts could not delete goes with the last one, its own file first. */
static void finish(struct hdfs *hdfs)
{
    bool ends = hdfs->pending.outcome.kind != OUTCOME_DEFERRED;
    int number = hdfs->pending.attempt.number, first = number > EARLIER ? number - EARLIER : 1;

    for (int i = ends ? first : number; i <= number; i++) {
        if (i < number || hdfs->wrote)
            hdfs->leftovers[hdfs->leftover_count++] = temporary_of(hdfs, false, i);
        if (hdfs->is_folder)
            hdfs->leftovers[hdfs->leftover_count++] = temporary_of(hdfs, true, i);
    }
    clear_next(hdfs);
}

/* What a server says may repeat the token that it was sent. */
static void mask(const struct hdfs *hdfs, struct buf *said)
{
    if (hdfs->pending.attempt.secret)
        excerpt_mask_secret(said, hdfs->pending.attempt.secret);
}

static void set_exception(struct hdfs *hdfs, const char *doing, const struct webhdfs_answer *answer)
{
    struct outcome *outcome = &hdfs->pending.outcome;
    int code = outcomes_code(&outcomes_hdfs, answer->exception);
    const struct answer *row = outcomes_by_code(&outcomes_hdfs, code ? code : answer->status);
    struct buf message;

    buf_init(&message, WEBHDFS_MESSAGE_SIZE);
    buf_adds(&message, answer->message);
    mask(hdfs, &message);
    buf_clear(&outcome->response);
    buf_add(&outcome->response, answer->response->body.data,
            answer->response->body.len < outcome->response.max ? answer->response->body.len
                                                               : outcome->response.max);
    mask(hdfs, &outcome->response);
    pending_set(&hdfs->pending, row, answer->status, "%s: HTTP %d %s%s%s", doing, answer->status,
                answer->exception[0] ? answer->exception : row->meaning, message.len ? ": " : "",
                message.data);
    outcome->retry_after_ms = answer->response->retry_after_ms;
    buf_release(&message);
}

/* Whether it is a success; else the outcome is set. */
static bool judge(struct hdfs *hdfs, const char *doing, const struct webhdfs_answer *answer)
{
    struct pending *pending = &hdfs->pending;

    hdfs->call = NULL; /* it is gone when its done returns */
    if (answer->result == WEBHDFS_FAILED)
        pending_set_event(pending, http_event(answer->response->result), "%s: %s", doing,
                          answer->response->text);
    else if (answer->result == WEBHDFS_REFUSED)
        pending_set_event(pending, EVENT_REFUSED_ADDRESS, "%s: %s", doing, answer->message);
    else if (answer->result == WEBHDFS_UNEXPECTED)
        pending_set_event(pending, EVENT_BROKEN, "%s: no redirect to a datanode", doing);
    else if (answer->status <= 299)
        return true;
    else
        set_exception(hdfs, doing, answer);
    return false;
}

static int64_t work_deadline_ms(const struct hdfs *hdfs)
{
    int64_t share = hdfs->pending.attempt.destination->timeout_ms / RESERVE_SHARE;
    return hdfs->deadline_ms - (share < RESERVE_MS ? share : RESERVE_MS);
}

/* A file that is there */

static void on_read(void *arg, const struct webhdfs_answer *answer)
{
    struct hdfs *hdfs = arg;
    const struct attempt *attempt = &hdfs->pending.attempt;

    if (judge(hdfs, "reading the file that is there", answer)) {
        const struct buf *body = &answer->response->body;
        bool same = body->len == attempt->body_size &&
                    (body->len == 0 || memcmp(body->data, attempt->body, body->len) == 0);
        if (body->len < attempt->body_size)
            pending_set_event(&hdfs->pending, EVENT_BROKEN, "reading the file that is there: it broke off");
        else
            pending_set_event(&hdfs->pending, same ? EVENT_THERE_ALREADY : EVENT_EXISTS, "%s",
                              same ? "" : "a file with other content is there");
    }
    finish(hdfs);
}

static void compare(struct hdfs *hdfs)
{
    size_t size = hdfs->pending.attempt.body_size;
    const struct webhdfs_request request = {
        .method = "GET",
        .op = "OPEN",
        .path = hdfs->path,
        .query = "",
        .redirected = true,
        .max_response = size,
        .deadline_ms = work_deadline_ms(hdfs),
    };

    if (size > 0) {
        hdfs->call = webhdfs_start(hdfs->http, &hdfs->server, &request, on_read, hdfs);
    } else {
        pending_set_event(&hdfs->pending, EVENT_THERE_ALREADY, "%s", "");
        finish(hdfs);
    }
}

/* {"FileStatus": {"type": "FILE", "length": 24930, ...}}: what there is, or the outcome is set. */
static bool read_status(struct hdfs *hdfs, const struct webhdfs_answer *answer, bool *is_file,
                        int64_t *length)
{
    const json_t *status = json_object_get(answer->json, "FileStatus");
    const char *type = json_string_value(json_object_get(status, "type"));

    if (!type || !json_is_integer(json_object_get(status, "length"))) {
        pending_set_event(&hdfs->pending, EVENT_BROKEN, "the status of the file is none");
        return false;
    }
    *is_file = strcmp(type, "FILE") == 0;
    *length = (int64_t)json_integer_value(json_object_get(status, "length"));
    hdfs->is_folder = strcmp(type, "DIRECTORY") == 0;
    return true;
}

static void set_in_the_way(struct hdfs *hdfs, bool is_file, int64_t length)
{
    pending_set_event(&hdfs->pending, EVENT_EXISTS, "a %s of %" PRId64 " bytes is there",
                      is_file ? "file" : "folder or link", length);
}

/* Goes on where it could be our file. */
static void compare_by(struct hdfs *hdfs, const struct webhdfs_answer *answer)
{
    int64_t length;
    bool is_file;

    if (!read_status(hdfs, answer, &is_file, &length)) {
        finish(hdfs);
    } else if (!is_file || length != (int64_t)hdfs->pending.attempt.body_size) {
        set_in_the_way(hdfs, is_file, length);
        finish(hdfs);
    } else {
        compare(hdfs);
    }
}

static void look(struct hdfs *hdfs, webhdfs_done done)
{
    const struct webhdfs_request request = {.method = "GET",
                                            .op = "GETFILESTATUS",
                                            .path = hdfs->path,
                                            .query = "",
                                            .deadline_ms = work_deadline_ms(hdfs)};
    hdfs->call = webhdfs_start(hdfs->http, &hdfs->server, &request, done, hdfs);
}

/* Writing */

static void on_status(void *arg, const struct webhdfs_answer *answer)
{
    struct hdfs *hdfs = arg;

    if (judge(hdfs, "the status of the file that is in the way", answer))
        compare_by(hdfs, answer);
    else
        finish(hdfs);
}

static bool is_missing(const struct webhdfs_answer *answer)
{
    return answer->result == WEBHDFS_ANSWERED && answer->status == 404 &&
           strcmp(answer->exception, "FileNotFoundException") == 0;
}

/*
 * The renaming said yes, as it does where it moved the file into a folder of that name. Who takes files away
 * as soon as they are there has had this one.
 */
static void on_placed(void *arg, const struct webhdfs_answer *answer)
{
    struct hdfs *hdfs = arg;
    struct pending *pending = &hdfs->pending;
    int64_t length;
    bool is_file;

    hdfs->call = NULL;
    if (is_missing(answer))
        pending_set_event(pending, EVENT_WRITTEN, "%s", "");
    else if (!judge(hdfs, "the status of the renamed file", answer) ||
             !read_status(hdfs, answer, &is_file, &length))
        ;
    else if (!is_file)
        set_in_the_way(hdfs, is_file, length);
    else if (length != (int64_t)pending->attempt.body_size)
        pending_set_event(pending, EVENT_BROKEN, "the renamed file has %" PRId64 " bytes", length);
    else
        pending_set_event(pending, EVENT_WRITTEN, "%s", "");
    finish(hdfs);
}

/* {"boolean": true}; false where there is a file, or the temporary file is not there any more. */
static void on_renamed(void *arg, const struct webhdfs_answer *answer)
{
    struct hdfs *hdfs = arg;

    if (!judge(hdfs, "renaming", answer)) {
        finish(hdfs);
    } else if (json_is_true(json_object_get(answer->json, "boolean"))) {
        hdfs->wrote = false;
        look(hdfs, on_placed);
    } else if (json_is_false(json_object_get(answer->json, "boolean"))) {
        look(hdfs, on_status);
    } else {
        pending_set_event(&hdfs->pending, EVENT_BROKEN, "renaming: the answer says neither yes nor no");
        finish(hdfs);
    }
}

static void on_written(void *arg, const struct webhdfs_answer *answer)
{
    struct hdfs *hdfs = arg;
    struct buf query;

    if (!judge(hdfs, "writing", answer)) {
        finish(hdfs);
        return;
    }
    buf_init(&query, 3 * PATH_BYTES + 20);
    buf_adds(&query, "&destination=");
    text_add_url(&query, hdfs->path, "/");
    const struct webhdfs_request request = {.method = "PUT",
                                            .op = "RENAME",
                                            .path = hdfs->temporary,
                                            .query = query.data,
                                            .deadline_ms = work_deadline_ms(hdfs)};
    hdfs->call = webhdfs_start(hdfs->http, &hdfs->server, &request, on_renamed, hdfs);
    buf_release(&query);
}

static void write_temporary(struct hdfs *hdfs)
{
    const struct attempt *attempt = &hdfs->pending.attempt;
    const char *permission = attempt->destination->permission;
    char query[60];

    snprintf(query, sizeof query, "&overwrite=true%s%s", permission ? "&permission=" : "",
             permission ? permission : "");
    const struct webhdfs_request request = {
        .method = "PUT",
        .op = "CREATE",
        .path = hdfs->temporary,
        .query = query,
        .redirected = true,
        .body = attempt->body_size ? attempt->body : "",
        .body_size = attempt->body_size,
        .deadline_ms = work_deadline_ms(hdfs),
    };
    hdfs->wrote = true;
    hdfs->call = webhdfs_start(hdfs->http, &hdfs->server, &request, on_written, hdfs);
}

static void on_looked(void *arg, const struct webhdfs_answer *answer)
{
    struct hdfs *hdfs = arg;

    hdfs->call = NULL;
    if (is_missing(answer))
        write_temporary(hdfs);
    else if (judge(hdfs, "the status of the file", answer))
        compare_by(hdfs, answer);
    else
        finish(hdfs);
}

/* The attempt */

static struct hdfs *hdfs_new(struct adapter_context *context, const struct attempt *attempt,
                             attempt_done done, void *arg)
{
    const struct destination *destination = attempt->destination;
    const struct secret *secret = attempt->secret;
    struct hdfs *hdfs = xcalloc(1, sizeof *hdfs);

    pending_init(&hdfs->pending, &adapter_hdfs, context, attempt, done, arg, hdfs_free);
    hdfs->http = context->http;
    hdfs->deadline_ms = clock_mono_ms() + destination->timeout_ms;
    hdfs->server = (struct webhdfs){
        .endpoint = destination->endpoint,
        .user = secret && secret->username ? secret->username : destination->user,
        .delegation = secret ? secret->token : NULL,
        .datanodes = destination->datanodes,
        .ca_file = destination->ca_file,
        .cert_file = destination->cert_file,
        .key_file = destination->key_file,
        .proxy = attempt_proxy(context, attempt),
        .guard = attempt_guard(context, attempt),
    };
    return hdfs;
}

static int set_paths(struct hdfs *hdfs, struct fault *fault)
{
    struct placeholders values = pending_placeholders(&hdfs->pending, false);
    struct buf path;

    buf_init(&path, PATH_BYTES);
    int result =
        placeholders_expand(hdfs->pending.attempt.destination->path, &values, ESCAPE_PATH, &path, fault);
    hdfs->path = buf_steal(&path, NULL);
    if (result == 0)
        hdfs->temporary = temporary_of(hdfs, false, hdfs->pending.attempt.number);
    return result;
}

static struct attempt_handle *hdfs_start(struct adapter_context *context, const struct attempt *attempt,
                                         attempt_done done, void *arg)
{
    struct hdfs *hdfs = hdfs_new(context, attempt, done, arg);
    struct fault fault = {0};

    if (set_paths(hdfs, &fault)) {
        pending_set_misconfigured(&hdfs->pending, "path", &fault);
        pending_report_later(&hdfs->pending);
    } else if (attempt->number > 1) {
        look(hdfs, on_looked);
    } else {
        write_temporary(hdfs);
    }
    return &hdfs->pending.handle;
}

static void hdfs_cancel(struct attempt_handle *handle)
{
    hdfs_free((struct pending *)handle);
}

/* A folder that is not there yet is made by the first delivery. */
static void on_checked(void *arg, const struct webhdfs_answer *answer)
{
    struct hdfs *hdfs = arg;
    const char *type =
        json_string_value(json_object_get(json_object_get(answer->json, "FileStatus"), "type"));

    hdfs->call = NULL;
    if (is_missing(answer))
        pending_set_event(&hdfs->pending, EVENT_WRITTEN, "%s", "");
    else if (!judge(hdfs, hdfs->path, answer))
        ;
    else if (!type)
        pending_set_event(&hdfs->pending, EVENT_BROKEN, "%s: the status of the folder is none", hdfs->path);
    else if (strcmp(type, "DIRECTORY") != 0)
        pending_set_event(&hdfs->pending, EVENT_EXISTS, "%s: no folder", hdfs->path);
    else
        pending_set_event(&hdfs->pending, EVENT_WRITTEN, "%s", "");
    pending_report(&hdfs->pending);
}

/* GETFILESTATUS of the folder that is the same for every report. */
static int hdfs_check(struct adapter_context *context, const struct destination *destination,
                      const struct secret *secret, struct fault *fault)
{
    struct pending_trial trial = {.fault = fault};
    const struct attempt attempt = {.destination = destination, .secret = secret};
    struct hdfs *hdfs = hdfs_new(context, &attempt, pending_trial_done, &trial);
    size_t literal = strcspn(destination->path, "{");

    while (literal > 1 && destination->path[literal - 1] != '/')
        literal--;
    hdfs->path = xmemdupz(destination->path, literal > 1 ? literal - 1 : 1);
    look(hdfs, on_checked);
    return pending_trial_run(&trial, context);
}

const struct adapter adapter_hdfs = {PROTOCOL_HDFS, &outcomes_hdfs, hdfs_start, hdfs_cancel, hdfs_check};
