/*
 * A state machine with one function per state. Each returns STEP_AGAIN after it moved on, or the result for
 * the caller. Lines are taken whole from the input and owned by the request; bodies are moved between
 * buffers, not copied.
 */
#include "http.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { STEP_AGAIN = -1 };

struct request *request_new(void)
{
    struct request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    request->body = evbuffer_new();
    if (!request->body) {
        free(request);
        return NULL;
    }
    return request;
}

void request_clear(struct request *request)
{
    struct evbuffer *body = request->body;

    free(request->line);
    for (size_t i = 0; i < request->field_count; i++)
        free(request->fields[i].line);
    evbuffer_drain(body, evbuffer_get_length(body));
    memset(request, 0, offsetof(struct request, fields));
    request->field_count = 0;
    memset(&request->state, 0, sizeof *request - offsetof(struct request, state));
    request->body = body;
}

void request_free(struct request *request)
{
    if (!request)
        return;
    request_clear(request);
    evbuffer_free(request->body);
    free(request);
}

const char *request_field(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->field_count; i++)
        if (strcmp(request->fields[i].name, name) == 0)
            return request->fields[i].value;
    return NULL;
}

static int bad(struct request *request, int status, const char *reason)
{
    request->error = status;
    request->reason = reason;
    return HTTP_BAD;
}

/* One line without its CRLF in *line, to be freed; STEP_AGAIN when there is one. */
static int take_line(struct request *request, struct evbuffer *in, char **line)
{
    size_t size = 0;

    *line = evbuffer_readln(in, &size, EVBUFFER_EOL_LF);
    if (!*line) {
        if (request->head_bytes + evbuffer_get_length(in) > HTTP_HEAD_MAX)
            return bad(request, 431, "the head is too large");
        return HTTP_MORE;
    }
    request->head_bytes += size + 1;
    if (request->head_bytes > HTTP_HEAD_MAX)
        bad(request, 431, "the head is too large");
    else if (size == 0 || (*line)[size - 1] != '\r')
        bad(request, 400, "a line does not end in CR LF");
    else if (strlen(*line) != size)
        bad(request, 400, "a NUL byte in the head");
    if (request->error) {
        free(*line);
        *line = NULL;
        return HTTP_BAD;
    }
    (*line)[size - 1] = '\0';
    return STEP_AGAIN;
}

static bool is_token(const char *text)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    return *text && text[strspn(text, token)] == '\0';
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((iscntrl((unsigned char)*text) && *text != '\t'))
            return true;
    return false;
}

static int step_request_line(struct request *request, struct evbuffer *in)
{
    int result = take_line(request, in, &request->line);
    if (result != STEP_AGAIN)
        return result;
    if (request->line[0] == '\0') { /* RFC 9112 2.2: an empty line before the request is passed over */
        free(request->line);
        request->line = NULL;
        return STEP_AGAIN;
    }
    char *target = strchr(request->line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;
    if (!version)
        return bad(request, 400, "the request line is not METHOD TARGET VERSION");
    *target++ = '\0';
    *version++ = '\0';
    if (!is_token(request->line))
        return bad(request, 400, "the method is not a token");
    if (*target != '/' || has_control(target))
        return bad(request, 400, "the target is not a path");
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return bad(request, 505, "the version is neither HTTP/1.1 nor HTTP/1.0");
    request->method = request->line;
    request->target = target;
    request->minor_zero = version[7] == '0';
    request->keep_alive = !request->minor_zero;
    request->state = HTTP_HEADER;
    return STEP_AGAIN;
}

/* Only digits, and not above what fits; -1 otherwise. */
static int parse_digits(const char *text, int base, uint64_t *value)
{
    const char *digits = base == 16 ? "0123456789abcdefABCDEF" : "0123456789";
    size_t length = strspn(text, digits);

    if (length == 0 || length > 15 || text[length] != '\0')
        return -1;
    *value = strtoull(text, NULL, base);
    return 0;
}

/* What the header lines together say about the body and the connection. */
static int step_head_complete(struct request *request)
{
    size_t hosts = 0, lengths = 0;

    for (size_t i = 0; i < request->field_count; i++) {
        const char *name = request->fields[i].name, *value = request->fields[i].value;
        if (strcmp(name, "host") == 0) {
            hosts++;
        } else if (strcmp(name, "content-length") == 0) {
            if (lengths++ || parse_digits(value, 10, &request->body_left) < 0)
                return bad(request, 400, "Content-Length is not one number");
        } else if (strcmp(name, "transfer-encoding") == 0) {
            if (request->chunked || strcasecmp(value, "chunked") != 0)
                return bad(request, 400, "Transfer-Encoding is not 'chunked'");
            request->chunked = true;
        } else if (strcmp(name, "connection") == 0) {
            request->keep_alive = request->minor_zero
                                      ? strcasecmp(value, "keep-alive") == 0
                                      : request->keep_alive && strcasecmp(value, "close") != 0;
        } else if (strcmp(name, "expect") == 0) {
            if (strcasecmp(value, "100-continue") != 0)
                return bad(request, 417, "Expect is not '100-continue'");
            request->wants_continue = true;
        }
    }
    if (hosts != 1 && !(request->minor_zero && hosts == 0))
        return bad(request, 400, "not exactly one Host");
    if (request->chunked && (lengths || request->minor_zero))
        return bad(request, 400, "Transfer-Encoding beside Content-Length, or in HTTP/1.0");
    if (request->body_left > HTTP_BODY_MAX)
        return bad(request, 413, "the body is too large");
    request->state = request->chunked ? HTTP_CHUNK_SIZE : HTTP_BODY;
    if (request->wants_continue && (request->chunked || request->body_left))
        return HTTP_CONTINUE;
    return STEP_AGAIN;
}

/* Cuts "Name: value" in place; -1 when it is not one. */
static int field_parse(struct field *field, char *line)
{
    char *colon = strchr(line, ':');
    if (!colon)
        return -1;
    *colon = '\0';
    if (!is_token(line))
        return -1;
    for (char *c = line; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    char *value = colon + 1 + strspn(colon + 1, " \t");
    size_t length = strlen(value);
    while (length && (value[length - 1] == ' ' || value[length - 1] == '\t'))
        value[--length] = '\0';
    if (has_control(value))
        return -1;
    *field = (struct field){.line = line, .name = line, .value = value};
    return 0;
}

static int step_header(struct request *request, struct evbuffer *in)
{
    char *line = NULL;
    int result = take_line(request, in, &line);
    if (result != STEP_AGAIN)
        return result;
    if (*line == '\0') {
        free(line);
        return step_head_complete(request);
    }
    if (request->field_count == HTTP_FIELDS_MAX) {
        free(line);
        return bad(request, 431, "too many header lines");
    }
    if (field_parse(&request->fields[request->field_count], line) < 0) {
        free(line);
        return bad(request, 400, "a header line is not NAME: VALUE");
    }
    request->field_count++;
    return STEP_AGAIN;
}

/* Moves up to body_left bytes to the body; STEP_AGAIN when all are there. */
static int take_body(struct request *request, struct evbuffer *in)
{
    size_t available = evbuffer_get_length(in);
    size_t wanted = request->body_left < available ? (size_t)request->body_left : available;

    if (wanted && evbuffer_remove_buffer(in, request->body, wanted) != (int)wanted)
        return bad(request, 500, "out of memory");
    request->body_left -= wanted;
    return request->body_left ? HTTP_MORE : STEP_AGAIN;
}

static int step_body(struct request *request, struct evbuffer *in)
{
    int result = take_body(request, in);
    if (result == STEP_AGAIN)
        request->state = HTTP_COMPLETE;
    return result;
}

static int step_chunk_size(struct request *request, struct evbuffer *in)
{
    char *line = NULL;

    request->head_bytes = 0; /* the ceiling is for each line here: a body may have any number of chunks */
    int result = take_line(request, in, &line);
    if (result != STEP_AGAIN)
        return result;
    line[strcspn(line, "; \t")] = '\0'; /* chunk extensions are passed over */
    int parsed = parse_digits(line, 16, &request->body_left);
    free(line);
    if (parsed < 0)
        return bad(request, 400, "a chunk size is not a hexadecimal number");
    if (request->body_left > HTTP_BODY_MAX - evbuffer_get_length(request->body))
        return bad(request, 413, "the body is too large");
    request->state = request->body_left ? HTTP_CHUNK_DATA : HTTP_TRAILER;
    return STEP_AGAIN;
}

static int step_chunk_data(struct request *request, struct evbuffer *in)
{
    int result = take_body(request, in);
    if (result == STEP_AGAIN)
        request->state = HTTP_CHUNK_END;
    return result;
}

static int step_chunk_end(struct request *request, struct evbuffer *in)
{
    char crlf[2];

    if (evbuffer_get_length(in) < sizeof crlf)
        return HTTP_MORE;
    if (evbuffer_remove(in, crlf, sizeof crlf) != sizeof crlf || memcmp(crlf, "\r\n", sizeof crlf) != 0)
        return bad(request, 400, "a chunk does not end in CR LF");
    request->state = HTTP_CHUNK_SIZE;
    return STEP_AGAIN;
}

static int step_trailer(struct request *request, struct evbuffer *in)
{
    char *line = NULL;
    int result = take_line(request, in, &line);
    if (result != STEP_AGAIN)
        return result;
    if (*line == '\0')
        request->state = HTTP_COMPLETE;
    free(line);
    return STEP_AGAIN;
}

static int step_complete(struct request *request, struct evbuffer *in)
{
    (void)request;
    (void)in;
    return HTTP_DONE;
}

enum http_result request_parse(struct request *request, struct evbuffer *in)
{
    static int (*const steps[])(struct request *, struct evbuffer *) = {
        [HTTP_REQUEST_LINE] = step_request_line,
        [HTTP_HEADER] = step_header,
        [HTTP_BODY] = step_body,
        [HTTP_CHUNK_SIZE] = step_chunk_size,
        [HTTP_CHUNK_DATA] = step_chunk_data,
        [HTTP_CHUNK_END] = step_chunk_end,
        [HTTP_TRAILER] = step_trailer,
        [HTTP_COMPLETE] = step_complete,
    };
    int result;

    do
        result = steps[request->state](request, in);
    while (result == STEP_AGAIN);
    return (enum http_result)result;
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {307, "Temporary Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status";
}

int percent_decode(char *text)
{
    char *out = text;

    for (const char *in = text; *in; in++) {
        unsigned char byte = (unsigned char)*in;
        if (byte == '%') {
            if (!isxdigit((unsigned char)in[1]) || !isxdigit((unsigned char)in[2]))
                return -1;
            byte = (unsigned char)strtoul((char[]){in[1], in[2], '\0'}, NULL, 16);
            in += 2;
        }
        if (byte < ' ' || byte == 127)
            return -1;
        *out++ = (char)byte;
    }
    *out = '\0';
    return 0;
}
