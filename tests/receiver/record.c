/*
 * A request is one JSON object; its line goes to the file and to memory alike, and what memory answers is
 * read from that object, so a request that was just received and one that was read back from the file are the
 * same thing.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/evp.h>

struct row {
    char *line;
    char *text; /* path \0 name \0 value \0 name \0 value \0 ... \0 */
};

/* The answer to one question so far. */
struct view {
    struct view *next;
    char *prefix;
    char *name;  /* of a header, or NULL when only requests are counted */
    size_t seen; /* rows */
    uint64_t count;
    void *values; /* tree of strings, borrowed from the rows */
};

struct record {
    int fd;             /* -1: no file */
    const char *bodies; /* NULL: bodies are not saved */
    struct row *rows;
    size_t count, room;
    struct view *views;
    EVP_MD *sha256; /* fetched once: fetching costs more than hashing a small body */
    EVP_MD_CTX *digest;
};

static void row_release(struct row *row)
{
    free(row->line);
    free(row->text);
}

static void borrowed(void *value)
{
    (void)value;
}

static void views_free(struct record *record)
{
    while (record->views) {
        struct view *view = record->views;
        record->views = view->next;
        tdestroy(view->values, borrowed);
        free(view->prefix);
        free(view->name);
        free(view);
    }
}

static void forget(struct record *record)
{
    views_free(record);
    for (size_t i = 0; i < record->count; i++)
        row_release(&record->rows[i]);
    record->count = 0;
}

void record_free(struct record *record)
{
    if (!record)
        return;
    forget(record);
    free(record->rows);
    EVP_MD_CTX_free(record->digest);
    EVP_MD_free(record->sha256);
    if (record->fd >= 0 && close(record->fd) < 0)
        perror("dist-receiver: record");
    free(record);
}

/* The strings that questions are asked about, behind each other in one allocation; NULL when there is no
 * memory. */
static char *row_text(json_t *object)
{
    json_t *headers = json_object_get(object, "headers"), *path = json_object_get(object, "path"), *value;
    const char *name;
    size_t size = json_string_length(path) + 2;

    json_object_foreach (headers, name, value)
        size += strlen(name) + json_string_length(value) + 2;
    char *text = malloc(size), *at = text;
    if (!text)
        return NULL;
    at = stpcpy(at, json_string_value(path)) + 1;
    json_object_foreach (headers, name, value) {
        if (!json_is_string(value))
            continue;
        at = stpcpy(at, name) + 1;
        at = stpcpy(at, json_string_value(value)) + 1;
    }
    *at = '\0';
    return text;
}

/* Takes the line in every case. */
static int remember(struct record *record, json_t *object, char *line)
{
    if (record->count == record->room) {
        size_t room = record->room ? record->room * 2 : 1024;
        struct row *rows = reallocarray(record->rows, room, sizeof *rows);
        if (!rows)
            goto fail;
        record->rows = rows;
        record->room = room;
    }
    char *text = row_text(object);
    if (!text)
        goto fail;
    record->rows[record->count++] = (struct row){.line = line, .text = text};
    return 0;
fail:
    free(line);
    return -1;
}

/* Reads the file back. A last line that was cut by a crash belongs to a request that was not answered: it is
 * removed. */
static int read_back(struct record *record, const char *path)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    off_t good = 0;
    int result = -1;
    FILE *file = fopen(path, "re");

    if (!file)
        return -1;
    while ((length = getline(&line, &room, file)) > 0 && line[length - 1] == '\n') {
        json_t *object = json_loadb(line, (size_t)length, 0, NULL);
        if (!json_is_string(json_object_get(object, "path"))) {
            fprintf(stderr, "dist-receiver: %s: line %zu is not a record\n", path, record->count + 1);
            errno = EINVAL;
            json_decref(object);
            goto out;
        }
        char *copy = strdup(line);
        int kept = copy ? remember(record, object, copy) : -1;
        json_decref(object);
        if (kept < 0)
            goto out;
        good += length;
    }
    if (ferror(file) || ftruncate(record->fd, good) < 0)
        goto out;
    result = 0;
out:
    free(line);
    fclose(file);
    return result;
}

struct record *record_open(const char *path, const char *bodies_dir)
{
    struct record *record = calloc(1, sizeof *record);
    if (!record)
        return NULL;
    record->fd = -1;
    record->bodies = bodies_dir;
    record->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    record->digest = EVP_MD_CTX_new();
    if (!record->sha256 || !record->digest) {
        fputs("dist-receiver: SHA-256 is not available\n", stderr);
        goto fail;
    }
    if (!path)
        return record;
    record->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (record->fd >= 0 && read_back(record, path) == 0)
        return record;
    fprintf(stderr, "dist-receiver: %s: %s\n", path, strerror(errno));
fail:
    record_free(record);
    return NULL;
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        bytes += written;
        size -= (size_t)written;
    }
    return 0;
}

/* The hash of the body as hexadecimal digits. */
static int hash_body(struct record *record, struct evbuffer *body, char hex[65])
{
    unsigned char hash[32];
    struct evbuffer_ptr at;
    struct evbuffer_iovec part;

    if (!EVP_DigestInit_ex(record->digest, record->sha256, NULL) ||
        evbuffer_ptr_set(body, &at, 0, EVBUFFER_PTR_SET))
        return -1;
    while (evbuffer_peek(body, -1, &at, &part, 1) > 0) {
        if (!EVP_DigestUpdate(record->digest, part.iov_base, part.iov_len))
            return -1;
        if (evbuffer_ptr_set(body, &at, part.iov_len, EVBUFFER_PTR_ADD) < 0)
            break;
    }
    if (!EVP_DigestFinal_ex(record->digest, hash, NULL))
        return -1;
    for (size_t i = 0; i < sizeof hash; i++) {
        hex[2 * i] = "0123456789abcdef"[hash[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[hash[i] & 15];
    }
    hex[2 * sizeof hash] = '\0';
    return 0;
}

/* A JSON string of any bytes. */
static json_t *text_value(const char *text)
{
    json_t *value = json_string(text);
    if (value)
        return value;
    char *utf8 = malloc(2 * strlen(text) + 1), *out = utf8;
    if (!utf8)
        return NULL;
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c >= 0x80)
            *out++ = (char)(0xc0 | *c >> 6);
        *out++ = (char)(*c >= 0x80 ? 0x80 | (*c & 0x3f) : *c);
    }
    *out = '\0';
    value = json_string_nocheck(utf8);
    free(utf8);
    return value;
}

static json_t *headers_object(const struct request *request)
{
    json_t *headers = json_object();

    for (size_t i = 0; i < request->field_count; i++) {
        const struct field *field = &request->fields[i];
        json_t *value = text_value(field->value), *before = json_object_get(headers, field->name);
        if (before) {
            json_t *joined = json_sprintf("%s, %s", json_string_value(before), json_string_value(value));
            json_decref(value);
            value = joined;
        }
        if (json_object_set_new_nocheck(headers, field->name, value) < 0) {
            json_decref(headers);
            return NULL;
        }
    }
    return headers;
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int save_body(const struct record *record, struct evbuffer *body, size_t seq)
{
    char path[4096];
    int result = 0, length = snprintf(path, sizeof path, "%s/%zu.body", record->bodies, seq);
    if (length < 0 || (size_t)length >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return -1;
    while (result >= 0 && evbuffer_get_length(body))
        result = evbuffer_write(body, fd);
    if (close(fd) < 0)
        result = -1;
    return result < 0 ? -1 : 0;
}

/* One line with its newline, to be freed; NULL when there is no memory. */
static char *line_of(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(16));
    size_t size = text ? strlen(text) : 0;
    char *line = text ? realloc(text, size + 2) : NULL;

    if (line)
        memcpy(line + size, "\n", 2);
    else
        free(text);
    return line;
}

int record_add(struct record *record, const struct request *request, uint64_t connection)
{
    size_t seq = record->count + 1, body_size = evbuffer_get_length(request->body);
    char hex[65], *line = NULL;
    json_t *object = NULL;
    int result = -1;

    errno = ENOMEM;
    if (hash_body(record, request->body, hex) < 0)
        goto out;
    object =
        json_pack("{sI sI sf ss so so ss sI}", "seq", (json_int_t)seq, "connection", (json_int_t)connection,
                  "time", now_ms(), "method", request->method, "path", text_value(request->target), "headers",
                  headers_object(request), "body_sha256", hex, "body_size", (json_int_t)body_size);
    line = object ? line_of(object) : NULL;
    if (!line)
        goto out;
    if (record->bodies && save_body(record, request->body, seq) < 0)
        goto out;
    if (record->fd >= 0 && write_all(record->fd, line, strlen(line)) < 0)
        goto out;
    result = remember(record, object, line);
    line = NULL;
out:
    free(line);
    json_decref(object);
    return result;
}

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static const char *row_header(const struct row *row, const char *name)
{
    for (const char *at = strchr(row->text, 0) + 1; *at; at = strchr(at, 0) + 1) {
        const char *value = strchr(at, 0) + 1;
        if (strcmp(at, name) == 0)
            return value;
        at = value;
    }
    return NULL;
}

static int string_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void view_take(struct view *view, const struct row *row)
{
    if (!begins_with(row->text, view->prefix))
        return;
    if (!view->name) {
        view->count++;
        return;
    }
    const char *value = row_header(row, view->name);
    if (!value || tfind(value, &view->values, string_compare))
        return;
    if (tsearch(value, &view->values, string_compare))
        view->count++;
}

static struct view *view_find(struct record *record, const char *prefix, const char *name)
{
    struct view *view;

    for (view = record->views; view; view = view->next)
        if (strcmp(view->prefix, prefix) == 0 && strcmp(view->name ? view->name : "", name ? name : "") == 0)
            return view;
    view = calloc(1, sizeof *view);
    if (!view)
        abort();
    view->prefix = strdup(prefix);
    view->name = name ? strdup(name) : NULL;
    if (!view->prefix || (name && !view->name))
        abort();
    view->next = record->views;
    record->views = view;
    return view;
}

static uint64_t answer(struct record *record, const char *prefix, const char *name)
{
    struct view *view = view_find(record, prefix, name);

    for (; view->seen < record->count; view->seen++)
        view_take(view, &record->rows[view->seen]);
    return view->count;
}

uint64_t record_count(struct record *record, const char *prefix)
{
    return answer(record, prefix, NULL);
}

uint64_t record_distinct(struct record *record, const char *prefix, const char *name)
{
    return answer(record, prefix, name);
}

int record_dump(struct record *record, const char *prefix, struct evbuffer *out)
{
    for (size_t i = 0; i < record->count; i++) {
        const struct row *row = &record->rows[i];
        if (begins_with(row->text, prefix) && evbuffer_add(out, row->line, strlen(row->line)) < 0)
            return -1;
    }
    return 0;
}

int record_reset(struct record *record)
{
    char path[4096];

    for (size_t seq = 1; record->bodies && seq <= record->count; seq++) {
        snprintf(path, sizeof path, "%s/%zu.body", record->bodies, seq);
        if (unlink(path) < 0 && errno != ENOENT)
            return -1;
    }
    forget(record);
    return record->fd >= 0 ? ftruncate(record->fd, 0) : 0;
}
