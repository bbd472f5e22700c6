/*
 * Paths are taken apart into segments; each known segment has a function that takes its argument, the next
 * segment. /fail and /then choose which segments are read at all, by the number of the request among those
 * with the same key.
 */
#include "behaviour.h"
#include "http.h"

#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENTS_MAX 256
#define MS_MAX (3600UL * 1000) /* an hour is for ever in a test */
#define BIG_MAX (16UL << 30)   /* the body is made of references to one block and costs little memory */

const char *behaviour_help(void)
{
    return "Segments of the path, read from left to right, to be combined:\n"
           "  /status/N           answer with this status; N alone does the same\n"
           "  /delay/MS           wait before the answer\n"
           "  /retry-after/VALUE  add Retry-After: seconds, or a date (percent-encoded)\n"
           "  /redirect/URL       302 with this Location (percent-encoded)\n"
           "  /body/TEXT          this body (percent-encoded) instead of 'ok'\n"
           "  /big/BYTES          a body of that size\n"
           "  /json               a body {\"accepted\":true,\"report_id\":ID}; ID is the webhook-id or "
           "Idempotency-Key\n"
           "  /drip/MS            send the body one byte at a time, MS apart\n"
           "  /hang               read the request, never answer\n"
           "  /hang-body          send the head and half of the body, then nothing\n"
           "  /reset              read the request, then reset the connection\n"
           "  /close              read the request, then close without an answer\n"
           "  /wrong-length       announce a longer body than is sent, then close\n"
           "  /fail/N/A/then/B    the first N requests get A, later ones B (200 without /then/B); A and B "
           "are segments\n"
           "                      as above, and what stands before /fail holds for both. B may hold another "
           "/fail.\n"
           "  A/then/B            the same for one request; A is all that stands before\n"
           "  /each               count per path and webhook-id (or Idempotency-Key), not per path\n"
           "Any other segment is a name: /in/anything answers 200 'ok'.\n";
}

struct tally {
    char *key;
    uint64_t count;
};

static int tally_compare(const void *a, const void *b)
{
    return strcmp(((const struct tally *)a)->key, ((const struct tally *)b)->key);
}

static void tally_free(void *node)
{
    struct tally *tally = node;
    free(tally->key);
    free(tally);
}

void tallies_release(struct tallies *tallies)
{
    tdestroy(tallies->root, tally_free);
    tallies->root = NULL;
}

/* The number of this request among those with its key, from 1; 0 when there is no memory. Takes the key. */
static uint64_t tallies_next(struct tallies *tallies, char *key)
{
    struct tally **found = key ? tfind(&(struct tally){.key = key}, &tallies->root, tally_compare) : NULL;
    if (found) {
        free(key);
        return ++(*found)->count;
    }
    struct tally *tally = key ? malloc(sizeof *tally) : NULL;
    if (!tally) {
        free(key);
        return 0;
    }
    *tally = (struct tally){.key = key, .count = 1};
    if (!tsearch(tally, &tallies->root, tally_compare)) {
        tally_free(tally);
        return 0;
    }
    return 1;
}

int behaviour_init(struct behaviour *behaviour)
{
    *behaviour = (struct behaviour){.status = 200, .type = "text/plain", .body = evbuffer_new()};
    return behaviour->body ? 0 : -1;
}

void behaviour_release(struct behaviour *behaviour)
{
    free(behaviour->retry_after);
    free(behaviour->location);
    if (behaviour->body)
        evbuffer_free(behaviour->body);
    *behaviour = (struct behaviour){0};
}

/* Back to 200 with an empty body; unlike init it cannot fail. */
static void behaviour_clear(struct behaviour *behaviour)
{
    struct evbuffer *body = behaviour->body;

    behaviour->body = NULL;
    behaviour_release(behaviour);
    evbuffer_drain(body, evbuffer_get_length(body));
    *behaviour = (struct behaviour){.status = 200, .type = "text/plain", .body = body};
}

/* Replaces the body. An answer that lost its body to a lack of memory is still an answer, so nothing is
 * returned. */
static void set_body(struct behaviour *behaviour, const char *text)
{
    evbuffer_drain(behaviour->body, evbuffer_get_length(behaviour->body));
    if (evbuffer_add(behaviour->body, text, strlen(text)) < 0)
        behaviour->status = 500;
}

void behaviour_refuse(struct behaviour *behaviour, int status, const char *text)
{
    behaviour_clear(behaviour);
    behaviour->status = status;
    if (evbuffer_add_printf(behaviour->body, "%s\n", text) < 0)
        behaviour->status = 500;
}

/* What the segment functions see: the answer that is being put together, and who asks. */
struct reading {
    struct behaviour *behaviour;
    const char *id;
};

static int parse_number(const char *text, uint64_t max, uint64_t *value)
{
    size_t length = strspn(text, "0123456789");
    if (length == 0 || length > 15 || text[length] != '\0')
        return -1;
    *value = strtoull(text, NULL, 10);
    return *value <= max ? 0 : -1;
}

static int set_status(struct reading *reading, const char *argument)
{
    uint64_t status;
    if (parse_number(argument, 999, &status) < 0 || status < 200)
        return -1;
    reading->behaviour->status = (int)status;
    return 0;
}

static int set_delay(struct reading *reading, const char *argument)
{
    return parse_number(argument, MS_MAX, &reading->behaviour->delay_ms);
}

static int set_drip(struct reading *reading, const char *argument)
{
    return parse_number(argument, MS_MAX, &reading->behaviour->drip_ms);
}

static int set_text(char **field, const char *argument)
{
    free(*field);
    *field = strdup(argument);
    return *field ? 0 : -1;
}

static int set_retry_after(struct reading *reading, const char *argument)
{
    return set_text(&reading->behaviour->retry_after, argument);
}

static int set_redirect(struct reading *reading, const char *argument)
{
    reading->behaviour->status = 302;
    return set_text(&reading->behaviour->location, argument);
}

static int set_text_body(struct reading *reading, const char *argument)
{
    set_body(reading->behaviour, argument);
    return 0;
}

static int set_big_body(struct reading *reading, const char *argument)
{
    static char block[65536];
    uint64_t size;

    if (parse_number(argument, BIG_MAX, &size) < 0)
        return -1;
    memset(block, 'x', sizeof block);
    set_body(reading->behaviour, "");
    while (size) {
        size_t part = size < sizeof block ? (size_t)size : sizeof block;
        if (evbuffer_add_reference(reading->behaviour->body, block, part, NULL, NULL) < 0)
            return -1;
        size -= part;
    }
    return 0;
}

/* The id is printed between quotes as it is: a header value holds no control character, and these two are
 * left out. */
static int set_json_body(struct reading *reading, const char *argument)
{
    struct evbuffer *body = reading->behaviour->body;
    int added;

    (void)argument;
    set_body(reading->behaviour, "");
    added = evbuffer_add_printf(body, "{\"accepted\":true,\"report_id\":\"");
    for (const char *c = reading->id ? reading->id : "unknown"; *c && added >= 0; c++)
        if (*c != '"' && *c != '\\' && *c != '\t')
            added = evbuffer_add(body, c, 1);
    reading->behaviour->type = "application/json";
    return added < 0 ? -1 : evbuffer_add(body, "\"}", 2);
}

static int set_ending(struct reading *reading, enum ending ending)
{
    reading->behaviour->ending = ending;
    return 0;
}

static int set_hang(struct reading *reading, const char *argument)
{
    (void)argument;
    return set_ending(reading, ENDING_HANG);
}

static int set_hang_body(struct reading *reading, const char *argument)
{
    (void)argument;
    return set_ending(reading, ENDING_HANG_BODY);
}

static int set_reset(struct reading *reading, const char *argument)
{
    (void)argument;
    return set_ending(reading, ENDING_RESET);
}

static int set_close(struct reading *reading, const char *argument)
{
    (void)argument;
    return set_ending(reading, ENDING_CLOSE);
}

static int set_wrong_length(struct reading *reading, const char *argument)
{
    (void)argument;
    return set_ending(reading, ENDING_WRONG_LENGTH);
}

static const struct segment {
    const char *name;
    bool has_argument;
    int (*set)(struct reading *reading, const char *argument);
} segments[] = {
    {"status", true, set_status},
    {"delay", true, set_delay},
    {"retry-after", true, set_retry_after},
    {"redirect", true, set_redirect},
    {"body", true, set_text_body},
    {"big", true, set_big_body},
    {"json", false, set_json_body},
    {"drip", true, set_drip},
    {"hang", false, set_hang},
    {"hang-body", false, set_hang_body},
    {"reset", false, set_reset},
    {"close", false, set_close},
    {"wrong-length", false, set_wrong_length},
};

static const struct segment *segment_find(const char *name)
{
    for (size_t i = 0; i < sizeof segments / sizeof *segments; i++)
        if (strcmp(segments[i].name, name) == 0)
            return &segments[i];
    return NULL;
}

static bool is_bare_status(const char *text)
{
    return strlen(text) == 3 && strspn(text, "0123456789") == 3;
}

/* Cuts the path in place at its slashes and undoes the encoding of each part; -1 when it is malformed or too
 * long. */
static int split(char *path, char *parts[SEGMENTS_MAX], size_t *count)
{
    char *rest = path;

    *count = 0;
    while (rest) {
        char *part = strsep(&rest, "/");
        if (*part == '\0')
            continue;
        if (*count == SEGMENTS_MAX || percent_decode(part) < 0)
            return -1;
        parts[(*count)++] = part;
    }
    return 0;
}

static bool holds(char *const parts[], size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(parts[i], name) == 0)
            return true;
    return false;
}

/* Reads the parts for the nth request; the name of the wrong part in *wrong and -1 when there is one. */
static int read_parts(struct reading *reading, char *const parts[], size_t count, uint64_t nth,
                      const char **wrong)
{
    bool failing = false;

    for (size_t i = 0; i < count; i++) {
        const char *name = parts[i], *argument = i + 1 < count ? parts[i + 1] : "";
        const struct segment *segment = segment_find(name);
        uint64_t failures;

        *wrong = name;
        if (strcmp(name, "then") == 0) {
            if (failing || nth == 1)
                return 0;
            nth--;
            behaviour_clear(reading->behaviour);
            set_body(reading->behaviour, "ok");
        } else if (strcmp(name, "fail") == 0) {
            if (parse_number(argument, UINT32_MAX, &failures) < 0)
                return -1;
            i++;
            failing = nth <= failures;
            if (failing)
                continue;
            nth -= failures;
            while (i + 1 < count && strcmp(parts[i], "then") != 0)
                i++;
        } else if (segment) {
            if (segment->set(reading, segment->has_argument ? argument : NULL) < 0)
                return -1;
            i += segment->has_argument;
        } else if (is_bare_status(name) && set_status(reading, name) < 0) {
            return -1;
        }
    }
    return 0;
}

static char *tally_key(const char *path, const char *id)
{
    char *key = NULL;
    return asprintf(&key, "%s\n%s", path, id ? id : "") < 0 ? NULL : key;
}

void behaviour_read(struct behaviour *behaviour, struct tallies *tallies, const char *path, const char *id)
{
    struct reading reading = {.behaviour = behaviour, .id = id};
    char *parts[SEGMENTS_MAX], *copy = strdup(path), text[200];
    const char *wrong = "";
    size_t count;
    uint64_t nth = 1;

    behaviour_clear(behaviour);
    set_body(behaviour, "ok");
    if (!copy || split(copy, parts, &count) < 0) {
        behaviour_refuse(behaviour, 400, "the path is malformed");
        goto out;
    }
    bool each = holds(parts, count, "each");
    if (each && !id) {
        behaviour_refuse(behaviour, 400, "/each: neither webhook-id nor Idempotency-Key in the request");
        goto out;
    }
    if (holds(parts, count, "fail") || holds(parts, count, "then"))
        nth = tallies_next(tallies, tally_key(path, each ? id : NULL));
    if (nth == 0) {
        behaviour_refuse(behaviour, 500, "out of memory");
    } else if (read_parts(&reading, parts, count, nth, &wrong) < 0) {
        snprintf(text, sizeof text, "/%.100s: wrong or missing argument", wrong);
        behaviour_refuse(behaviour, 400, text);
    }
out:
    free(copy);
}
