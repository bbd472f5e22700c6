/*
 * queue_audit - see queue_audit.h
 *
 * Scripts change record and entry together, and no entry's number is used twice. So: a record read, its entry
 * not found, and the same record read again is a record without an entry; an entry read, no record that names
 * it, and the entry there again is an entry without a record. Anything else was moved in between.
 */
#include "queue_audit.h"

#include <stdlib.h>
#include <string.h>
#include "queue_call.h"
#include "text.h"
#include "xalloc.h"

enum {
    SCAN_COUNT = 500,
    PAGE = 500,     /* entries of a stream that are read at once */
    ID_SIZE = 64,   /* an id and its NUL, see queue.h */
    ENTRY_SIZE = 48 /* two numbers of 64 bits, a dash, a NUL */
};

static const char every_key[] = "dist:{*}:*";

/* --- walking over keys --- */

typedef int key_batch(void *arg, redisReply *const *keys, size_t count, struct fault *fault);

/* SCAN 0 MATCH dist:{*}:d:* COUNT 500 [TYPE stream] */
static int walk(struct redis *redis, const char *pattern, const char *type, key_batch *each, void *arg,
                struct fault *fault)
{
    char cursor[24] = "0";

    do {
        char count[16];
        const char *words[] = {"SCAN", cursor, "MATCH", pattern, "COUNT", count, "TYPE", type};
        snprintf(count, sizeof count, "%d", SCAN_COUNT);
        redisReply *reply = redis_command(redis, 0, fault, type ? 8 : 6, words, NULL);
        if (!reply)
            return -1;
        if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
            reply->element[0]->type != REDIS_REPLY_STRING || reply->element[1]->type != REDIS_REPLY_ARRAY) {
            freeReplyObject(reply);
            return fault_set(fault, FAULT_BUG, "%s: an answer of another shape to SCAN",
                             redis_address(redis));
        }
        text_copy(cursor, sizeof cursor, reply->element[0]->str);
        const redisReply *keys = reply->element[1];
        int status = keys->elements ? each(arg, keys->element, keys->elements, fault) : 0;
        freeReplyObject(reply);
        if (status < 0)
            return -1;
    } while (strcmp(cursor, "0"));
    return 0;
}

/* Where what follows "dist:{p}:" begins, or NULL. */
static const char *behind_partition(const char *key)
{
    const char *end = text_starts_with(key, "dist:{") ? strchr(key, '}') : NULL;
    return end && end[1] == ':' ? end + 2 : NULL;
}

static int note_partitions(void *arg, redisReply *const *keys, size_t count, struct fault *fault)
{
    struct queue_audit *audit = arg;
    (void)fault;
    for (size_t i = 0; i < count; i++) {
        const char *rest = behind_partition(keys[i]->str);
        if (!rest)
            continue;
        char *prefix = xmemdupz(keys[i]->str, (size_t)(rest - keys[i]->str));
        strmap_put(&audit->partitions, prefix, audit);
        free(prefix);
    }
    return 0;
}

int queue_audit_init(struct queue_audit *audit, struct redis *redis, struct fault *fault)
{
    *audit = (struct queue_audit){.redis = redis};
    strmap_init(&audit->partitions);
    return walk(redis, every_key, NULL, note_partitions, audit, fault);
}

void queue_audit_release(struct queue_audit *audit)
{
    strmap_release(&audit->partitions, NULL);
}

struct id_walk {
    int (*each)(void *arg, const char *const *ids, size_t count, struct fault *fault);
    void *arg;
};

static int hand_ids(void *arg, redisReply *const *keys, size_t count, struct fault *fault)
{
    const struct id_walk *ids = arg;
    const char **texts = xcalloc(count, sizeof *texts);
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        const char *rest = behind_partition(keys[i]->str);
        if (rest && text_starts_with(rest, "d:") && strlen(rest) > 2 && strlen(rest + 2) < ID_SIZE)
            texts[found++] = rest + 2;
    }
    int status = found ? ids->each(ids->arg, texts, found, fault) : 0;
    free(texts);
    return status;
}

int queue_audit_ids(struct queue_audit *audit,
                    int (*each)(void *arg, const char *const *ids, size_t count, struct fault *fault),
                    void *arg, struct fault *fault)
{
    struct id_walk ids = {each, arg};
    return walk(audit->redis, "dist:{*}:d:*", "string", hand_ids, &ids, fault);
}

/* --- looking at ids --- */

/* What a record names. */
struct name {
    char *stream; /* NULL: there is no record */
    char entry[ENTRY_SIZE];
    bool there; /* its entry */
};

/* Numbers, `count` of them, with a dash between any two. */
static bool is_numbers(const char *text, size_t size, int count)
{
    const char *end = text + size;

    for (int i = 0; i < count; i++) {
        size_t digits = strspn(text, "0123456789");
        if (!digits)
            return false;
        text += digits;
        if (i + 1 < count && *text++ != '-')
            return false;
    }
    return text == end;
}

/* "0 1700000000000-0  dist:{0}:ready:web:acme:normal": what record() in queue_scripts.c takes. Anything else
 * names nothing. */
static void read_record(const redisReply *record, struct name *name)
{
    enum { CRASHES, ENTRY, WISH, STREAM, FIELDS };
    const char *fields[FIELDS];
    size_t sizes[FIELDS];

    if (record->type != REDIS_REPLY_STRING || strlen(record->str) != record->len)
        return;
    const char *at = record->str;
    for (int i = 0; i < FIELDS; i++) {
        fields[i] = at;
        sizes[i] = strcspn(at, QUEUE_BLANKS);
        at += sizes[i];
        if (*at != (i + 1 < FIELDS ? ' ' : '\0'))
            return;
        at++;
    }
    if (!is_numbers(fields[CRASHES], sizes[CRASHES], 1) || !is_numbers(fields[ENTRY], sizes[ENTRY], 2) ||
        sizes[ENTRY] >= ENTRY_SIZE || !sizes[STREAM])
        return;
    name->stream = xmemdupz(fields[STREAM], sizes[STREAM]);
    snprintf(name->entry, sizeof name->entry, "%.*s", (int)sizes[ENTRY], fields[ENTRY]);
}

/* The replies of one pipeline, handed over one after another; the first error is the fault. */
struct looks {
    struct redis *redis;
    struct name *items;
    const size_t *places; /* of the replies in items, where not all are asked for */
    int status;
    struct fault *fault;
};

static void set_name(void *arg, size_t index, redisReply *reply)
{
    struct looks *looks = arg;

    if (redis_reply_fault(looks->redis, reply, looks->status ? NULL : looks->fault) < 0)
        looks->status = -1;
    else if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1)
        read_record(reply->element[0], &looks->items[index]);
}

/* MGET dist:{p}:d:<id>, for each: a key of another type is no error to it, and one alone none where a slot
 * moves */
static int read_names(struct redis *redis, const char *prefix, const char *const *ids, size_t count,
                      struct name *items, struct fault *fault)
{
    struct looks looks = {.redis = redis, .items = items, .fault = fault};
    int status = 0;

    for (size_t i = 0; status == 0 && i < count; i++) {
        char *key = xasprintf("%sd:%s", prefix, ids[i]);
        status = redis_append(redis, 2, (const char *const[]){"MGET", key}, NULL, fault);
        free(key);
    }
    if (status == 0 && count)
        status = redis_flush(redis, set_name, &looks, fault) < 0 ? -1 : looks.status;
    return status;
}

static void set_there(void *arg, size_t index, redisReply *reply)
{
    struct looks *looks = arg;

    if (redis_reply_fault(looks->redis, reply, looks->status ? NULL : looks->fault) < 0)
        looks->status = -1;
    looks->items[looks->places[index]].there = reply->type == REDIS_REPLY_ARRAY && reply->elements > 0;
}

/* XRANGE stream entry entry, for each that has a name */
static int read_there(struct redis *redis, struct name *items, size_t count, struct fault *fault)
{
    size_t *places = xcalloc(count, sizeof *places);
    struct looks looks = {.redis = redis, .items = items, .places = places, .fault = fault};
    size_t asked = 0;
    int status = 0;

    for (size_t i = 0; status == 0 && i < count; i++) {
        if (!items[i].stream)
            continue;
        places[asked++] = i;
        const char *words[] = {"XRANGE", items[i].stream, items[i].entry, items[i].entry};
        status = redis_append(redis, 4, words, NULL, fault);
    }
    if (status == 0 && asked)
        status = redis_flush(redis, set_there, &looks, fault) < 0 ? -1 : looks.status;
    free(places);
    return status;
}

static void names_free(struct name *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(items[i].stream);
    free(items);
}

/* At most PAGE ids in one partition. */
static int look_some(struct redis *redis, const char *prefix, const char *const *ids, size_t count,
                     enum queue_trace *traces, struct fault *fault)
{
    struct name *before = xcalloc(count, sizeof *before), *after = xcalloc(count, sizeof *after);
    int status = read_names(redis, prefix, ids, count, before, fault);

    if (status == 0)
        status = read_there(redis, before, count, fault);
    if (status == 0)
        status = read_names(redis, prefix, ids, count, after, fault);
    for (size_t i = 0; status == 0 && i < count; i++) {
        if (!before[i].stream || traces[i] == QUEUE_ENTRY)
            continue;
        bool same = after[i].stream && !strcmp(after[i].stream, before[i].stream) &&
                    !strcmp(after[i].entry, before[i].entry);
        /* where it was moved in between, it was there */
        traces[i] = before[i].there || !same ? QUEUE_ENTRY : QUEUE_RECORD;
    }
    names_free(before, count);
    names_free(after, count);
    return status;
}

struct look {
    struct queue_audit *audit;
    const char *const *ids;
    size_t count;
    enum queue_trace *traces;
    int status;
    struct fault *fault;
};

static void look_in(const char *prefix, void *value, void *arg)
{
    struct look *look = arg;
    (void)value;
    for (size_t at = 0; look->status == 0 && at < look->count; at += PAGE)
        look->status =
            look_some(look->audit->redis, prefix, look->ids + at,
                      look->count - at < PAGE ? look->count - at : PAGE, look->traces + at, look->fault);
}

int queue_audit_look(struct queue_audit *audit, const char *const *ids, size_t count,
                     enum queue_trace *traces, struct fault *fault)
{
    struct look look = {audit, ids, count, traces, 0, fault};

    for (size_t i = 0; i < count; i++)
        traces[i] = QUEUE_ABSENT;
    strmap_each(&audit->partitions, look_in, &look);
    return look.status;
}

/* --- entries --- */

struct entry_walk {
    struct queue_audit *audit;
    int64_t entries, unnamed;
};

/* The id of an entry's fields, or "" for one that is malformed. */
static void read_id(const redisReply *fields, char id[ID_SIZE])
{
    *id = '\0';
    for (size_t i = 0; fields->type == REDIS_REPLY_ARRAY && i + 1 < fields->elements; i += 2)
        if (!strcmp(fields->element[i]->str, "id")) {
            if (fields->element[i + 1]->len < ID_SIZE)
                text_copy(id, ID_SIZE, fields->element[i + 1]->str);
            return;
        }
}

/* Counts those of a page whose record names another entry, or none, and which are there still. */
static int count_unnamed(struct entry_walk *entries, const char *stream, const redisReply *page,
                         struct fault *fault)
{
    struct redis *redis = entries->audit->redis;
    size_t count = page->elements;
    char(*texts)[ID_SIZE] = xcalloc(count, sizeof *texts);
    const char **ids = xcalloc(count, sizeof *ids);
    struct name *names = xcalloc(count, sizeof *names), *doubtful = xcalloc(count, sizeof *doubtful);
    char *prefix = xmemdupz(stream, (size_t)(behind_partition(stream) - stream));

    for (size_t i = 0; i < count; i++) {
        read_id(page->element[i]->element[1], texts[i]);
        ids[i] = texts[i];
    }
    int status = read_names(redis, prefix, ids, count, names, fault);
    for (size_t i = 0; status == 0 && i < count; i++) {
        const char *entry = page->element[i]->element[0]->str;
        if (names[i].stream && !strcmp(names[i].stream, stream) && !strcmp(names[i].entry, entry))
            continue;
        doubtful[i].stream = xstrdup(stream);
        text_copy(doubtful[i].entry, sizeof doubtful[i].entry, entry);
    }
    if (status == 0)
        status = read_there(redis, doubtful, count, fault);
    for (size_t i = 0; status == 0 && i < count; i++)
        entries->unnamed += doubtful[i].there;
    free(prefix);
    names_free(doubtful, count);
    names_free(names, count);
    free(ids);
    free(texts);
    return status;
}

static bool is_page(const redisReply *reply)
{
    bool good = reply->type == REDIS_REPLY_ARRAY;
    for (size_t i = 0; good && i < reply->elements; i++) {
        const redisReply *entry = reply->element[i];
        good = entry->type == REDIS_REPLY_ARRAY && entry->elements == 2 &&
               entry->element[0]->type == REDIS_REPLY_STRING;
    }
    return good;
}

/* XRANGE stream (1700000000000-0 + COUNT 500 */
static int read_stream(struct entry_walk *entries, const char *stream, struct fault *fault)
{
    char from[ENTRY_SIZE + 1] = "-";
    size_t count;

    do {
        redisReply *page = redis_commandf(entries->audit->redis, 0, fault, "XRANGE %s %s + COUNT %d", stream,
                                          from, (int)PAGE);
        if (!page)
            return -1;
        if (!is_page(page)) {
            freeReplyObject(page);
            return fault_set(fault, FAULT_BUG, "queue: %.200s: an answer of another shape", stream);
        }
        count = page->elements;
        entries->entries += (int64_t)count;
        int status = count ? count_unnamed(entries, stream, page, fault) : 0;
        if (count)
            snprintf(from, sizeof from, "(%.*s", ENTRY_SIZE - 1, page->element[count - 1]->element[0]->str);
        freeReplyObject(page);
        if (status < 0)
            return -1;
    } while (count == PAGE);
    return 0;
}

static int read_streams(void *arg, redisReply *const *keys, size_t count, struct fault *fault)
{
    for (size_t i = 0; i < count; i++)
        if (behind_partition(keys[i]->str) && read_stream(arg, keys[i]->str, fault) < 0)
            return -1;
    return 0;
}

int queue_audit_entries(struct queue_audit *audit, int64_t *entries, int64_t *unnamed, struct fault *fault)
{
    struct entry_walk counted = {.audit = audit};
    int status = walk(audit->redis, every_key, "stream", read_streams, &counted, fault);

    *entries = counted.entries;
    *unnamed = counted.unnamed;
    return status;
}
