/*
 * webhdfs - see webhdfs.h
 *
 * The target of a redirect is a stranger's text until webhdfs_target_mistake() has no objection; it carries
 * the delegation token in its query, and so is told to nobody but the HTTP client.
 */
#include "webhdfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "clock.h"
#include "text.h"
#include "xalloc.h"

#define ROOT "/webhdfs/v1"
enum { URL_MAX = 64 * 1024 /* a delegation token is long */, ANSWER_MAX = 64 * 1024 };

struct webhdfs_call {
    struct http *http;
    struct http_transfer *transfer;
    const struct webhdfs *server;
    struct webhdfs_request request; /* without path and query */
    bool at_datanode;
    webhdfs_done done;
    void *arg;
};

static bool is_datanode(const json_t *datanodes, const char *host, size_t size)
{
    const json_t *name;
    size_t index;

    json_array_foreach (datanodes, index, name) {
        const char *text = json_string_value(name);
        if (text && strlen(text) == size && strncasecmp(text, host, size) == 0)
            return true;
    }
    return datanodes == NULL;
}

/* "." or "..", also with "%2e": what a server resolves may lead out of WebHDFS. */
static bool has_dot_segment(const char *path, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t dots = 0;
        if (path[i] != '/') {
            i++;
            continue;
        }
        for (i++; i < size && (path[i] == '.' || (size - i >= 3 && strncasecmp(path + i, "%2e", 3) == 0));
             dots++)
            i += path[i] == '.' ? 1 : 3;
        if ((dots == 1 || dots == 2) && (i == size || path[i] == '/'))
            return true;
    }
    return false;
}

const char *webhdfs_target_mistake(const struct webhdfs *server, const char *target)
{
    bool tls = strncasecmp(target, "https://", 8) == 0;
    const char *host = target + (tls ? 8 : 7);

    for (const char *c = target; *c; c++)
        if (*c <= ' ' || *c >= 0x7f || *c == '\\')
            return "its target is no URL";
    if (!tls && strncasecmp(target, "http://", 7) != 0)
        return "its target is neither http nor https";
    if (!tls && strncasecmp(server->endpoint, "https://", 8) == 0)
        return "it leads from https to http";
    size_t authority = strcspn(host, "/?#");
    if (memchr(host, '@', authority))
        return "its target has a user in it";
    size_t size = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    if (size == 0 || size > authority)
        return "its target has no host";
    if (!is_datanode(server->datanodes, host, size))
        return "its target is none of \"datanodes\"";
    if (strchr(target, '#'))
        return "its target has a fragment";
    const char *path = host + authority;
    size_t path_size = strcspn(path, "?");
    if (has_dot_segment(path, path_size))
        return "its target has a dot segment";
    if (!memmem(path, path_size, ROOT "/", sizeof ROOT))
        return "its target is no path of WebHDFS";
    return NULL;
}

static void on_response(void *arg, struct http_response *response);

static void send_to(struct webhdfs_call *call, const char *url, const void *body, size_t size)
{
    static const char *const typed[] = {"Content-Type: application/octet-stream", NULL};
    const struct webhdfs *server = call->server;
    int64_t left_ms = call->request.deadline_ms - clock_mono_ms();
    const struct http_request request = {
        .method = call->request.method,
        .url = url,
        .headers = body ? typed : NULL,
        .body = body,
        .body_size = size,
        .timeout_ms = left_ms > 0 ? left_ms : 1,
        .guard = server->guard,
        .ca_file = server->ca_file,
        .cert_file = server->cert_file,
        .key_file = server->key_file,
        .proxy = server->proxy,
        .field = "Location:",
        .max_response = call->request.max_response > ANSWER_MAX ? call->request.max_response : ANSWER_MAX,
    };

    call->transfer = http_start(call->http, &request, on_response, call);
}

/* {"RemoteException": {"exception": "...", "javaClassName": "...", "message": "..."}} */
static void read_exception(const json_t *json, struct webhdfs_answer *answer)
{
    const json_t *remote = json_object_get(json, "RemoteException");
    const char *name = json_string_value(json_object_get(remote, "exception"));
    const char *message = json_string_value(json_object_get(remote, "message"));

    text_copy(answer->exception, sizeof answer->exception, name ? name : "");
    text_copy(answer->message, sizeof answer->message, message ? message : "");
    answer->message[strcspn(answer->message, "\r\n")] = '\0'; /* a stack trace may follow */
    text_printable(answer->exception);
    text_printable(answer->message);
}

static void report(struct webhdfs_call *call, struct webhdfs_answer *answer)
{
    const struct http_response *response = answer->response;
    json_t *json = NULL;

    if (response->body.len <= ANSWER_MAX)
        json = json_loadb(response->body.data, response->body.len, JSON_REJECT_DUPLICATES, NULL);
    answer->json = json;
    if (answer->result == WEBHDFS_ANSWERED && answer->status >= 300)
        read_exception(json, answer);
    call->done(call->arg, answer);
    json_decref(json);
    free(call);
}

static bool is_redirect(int status)
{
    return status == 307 || status == 302 || status == 303; /* by the page 307; some gateways say less */
}

static void on_response(void *arg, struct http_response *response)
{
    struct webhdfs_call *call = arg;
    struct webhdfs_answer answer = {.response = response, .status = response->status};
    bool due = call->request.redirected && !call->at_datanode;

    call->transfer = NULL;
    if (response->result != HTTP_ANSWERED) {
        answer.result = WEBHDFS_FAILED;
    } else if (due && is_redirect(response->status)) {
        const char *mistake = response->field.len ? webhdfs_target_mistake(call->server, response->field.data)
                                                  : "it has no target";
        if (!mistake) {
            call->at_datanode = true;
            send_to(call, response->field.data, call->request.body, call->request.body_size);
            return;
        }
        answer.result = WEBHDFS_REFUSED;
        snprintf(answer.message, sizeof answer.message, "the redirect is not followed: %s", mistake);
    } else if (due && call->request.body && response->status <= 299) {
        answer.result = WEBHDFS_UNEXPECTED; /* it took the request for one without a body */
    }
    report(call, &answer);
}

struct webhdfs_call *webhdfs_start(struct http *http, const struct webhdfs *server,
                                   const struct webhdfs_request *request, webhdfs_done done, void *arg)
{
    struct webhdfs_call *call = xcalloc(1, sizeof *call);
    struct buf url;

    *call =
        (struct webhdfs_call){.http = http, .server = server, .request = *request, .done = done, .arg = arg};
    call->request.path = call->request.query = NULL;
    buf_init(&url, URL_MAX);
    buf_adds(&url, server->endpoint);
    buf_adds(&url, ROOT);
    text_add_url(&url, request->path, "/");
    buf_addf(&url, "?op=%s%s", request->op, request->query);
    if (server->delegation || server->user)
        buf_adds(&url, server->delegation ? "&delegation=" : "&user.name=");
    text_add_url(&url, server->delegation ? server->delegation : server->user ? server->user : "", "");
    send_to(call, url.overflow ? "" : url.data, NULL, 0); /* without a URL the client refuses it */
    if (url.len)
        explicit_bzero(url.data, url.len);
    buf_release(&url);
    return call;
}

void webhdfs_cancel(struct webhdfs_call *call)
{
    if (!call)
        return;
    if (call->transfer)
        http_cancel(call->transfer);
    free(call);
}
