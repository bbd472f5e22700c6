/*
 * pg_array - arrays as array_recv() of PostgreSQL reads them
 *
 * Big-endian words: dimensions (one, or none where there is no element), flags (1: some are NULL), OID of the
 * type; then, of the dimension, how many elements and the index of the first. {"ab",NULL}::text[] is
 *
 *   00000001 00000001 00000019  00000002 00000001  00000002 6162  ffffffff
 *
 * The header has its place from the beginning, and is filled in when the elements are known.
 */
#include <endian.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "pg.h"
#include "uid.h"

enum {
    WORD = 4,
    HEADER = 5 * WORD,
    EMPTY_HEADER = 3 * WORD,
    JSONB_VERSION = 1, /* the byte in front of the text */
};

static void put_word(char *at, uint32_t number)
{
    number = htobe32(number);
    memcpy(at, &number, sizeof number);
}

void pg_array_init(struct pg_array *array, enum pg_type type, size_t max_bytes)
{
    *array = (struct pg_array){.type = type};
    buf_init(&array->wire, max_bytes < INT_MAX ? max_bytes : INT_MAX);
    if (buf_room(&array->wire, HEADER))
        buf_added(&array->wire, HEADER);
}

void pg_array_release(struct pg_array *array)
{
    buf_release(&array->wire);
}

/* Where the bytes of one more element go; NULL: there is no room. */
static char *element(struct pg_array *array, size_t size)
{
    char *at = buf_room(&array->wire, WORD + size);

    if (!at)
        return NULL;
    put_word(at, (uint32_t)size);
    buf_added(&array->wire, WORD + size);
    array->count++;
    return at + WORD;
}

static void add(struct pg_array *array, const void *data, size_t size)
{
    char *at = element(array, size);

    if (at && size)
        memcpy(at, data, size);
}

static void add_null(struct pg_array *array)
{
    char word[WORD];

    put_word(word, UINT32_MAX);
    array->count += !buf_add(&array->wire, word, sizeof word);
    array->nulls = true;
}

/* One byte more than a UUID has, which uuid_recv() does not take: "improper binary format in array element".
 */
static void add_uid(struct pg_array *array, const char *text)
{
    unsigned char bytes[UID_SIZE + 1] = {0};

    add(array, bytes, uid_bytes(text, bytes) ? UID_SIZE : sizeof bytes);
}

static void add_jsonb(struct pg_array *array, const char *text, size_t size)
{
    char *at = element(array, 1 + size);

    if (!at)
        return;
    *at = JSONB_VERSION;
    memcpy(at + 1, text, size);
}

void pg_array_add(struct pg_array *array, const char *text)
{
    if (!text) {
        add_null(array);
        return;
    }
    switch (array->type) {
    case PG_TEXT:
    case PG_VARCHAR:
    case PG_JSON:
        add(array, text, strlen(text));
        break;
    case PG_JSONB:
        add_jsonb(array, text, strlen(text));
        break;
    case PG_UUID:
        add_uid(array, text);
        break;
    default:
        abort();
    }
}

/* What an integer does not hold goes as a bigint, of which int4recv() leaves half: refused as above. */
void pg_array_add_int(struct pg_array *array, int64_t number)
{
    uint64_t eight = htobe64((uint64_t)number);
    uint32_t four = htobe32((uint32_t)number);

    if (array->type != PG_INTEGER && array->type != PG_BIGINT)
        abort();
    if (array->type == PG_INTEGER && number >= INT32_MIN && number <= INT32_MAX)
        add(array, &four, sizeof four);
    else
        add(array, &eight, sizeof eight);
}

void pg_array_add_nonzero(struct pg_array *array, int64_t number)
{
    if (number)
        pg_array_add_int(array, number);
    else
        add_null(array);
}

void pg_array_add_bool(struct pg_array *array, bool value)
{
    const char byte = value;

    if (array->type != PG_BOOLEAN)
        abort();
    add(array, &byte, sizeof byte);
}

void pg_array_add_bytes(struct pg_array *array, const void *data, size_t size)
{
    if (array->type != PG_BYTEA)
        abort();
    add(array, data, size);
}

int pg_param_array(struct pg_params *params, struct pg_array *array, struct fault *fault)
{
    char *header = array->wire.data;

    if (array->wire.overflow)
        return fault_set(fault, FAULT_BUG, "a batch is larger than a statement may be");
    put_word(header, array->count ? 1 : 0);
    put_word(header + WORD, array->nulls);
    put_word(header + 2 * WORD, array->type);
    put_word(header + 3 * WORD, (uint32_t)array->count);
    put_word(header + 4 * WORD, 1);
    pg_param_bytes(params, header, array->count ? array->wire.len : EMPTY_HEADER);
    return 0;
}
