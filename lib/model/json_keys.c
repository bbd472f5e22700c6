/*
 * json_keys - sets of keys that stay linear under attack: see the header
 */
#include <ctype.h>
#include "json_keys.h"
#include "rng.h"
#include "xalloc.h"

enum { LINEAR = 16 }; /* a set with no more keys is searched without a table */

struct json_key {
    uint32_t at; /* offset of its first byte behind the quote */
    uint32_t hash;
};

static unsigned hex_digit(unsigned char c)
{
    return isdigit(c) ? (unsigned)(c - '0') : (unsigned)(tolower(c) - 'a' + 10);
}

unsigned json_hex_unit(const unsigned char *digits)
{
    return hex_digit(digits[0]) << 12 | hex_digit(digits[1]) << 8 | hex_digit(digits[2]) << 4 |
           hex_digit(digits[3]);
}

static int encode_utf8(unsigned long character, unsigned char bytes[4])
{
    if (character < 0x80) {
        bytes[0] = (unsigned char)character;
        return 1;
    }
    int count = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (int i = count - 1; i > 0; i--) {
        bytes[i] = (unsigned char)(0x80 | (character & 0x3f));
        character >>= 6;
    }
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    bytes[0] = (unsigned char)(lead[count] | character);
    return count;
}

static void cursor_escape(struct json_cursor *cursor)
{
    unsigned char c = cursor->at[1];
    unsigned long character;
    cursor->at += 2;
    if (c == 'u') {
        character = json_hex_unit(cursor->at);
        cursor->at += 4;
        if (character >= 0xd800 && character < 0xdc00) {
            character = 0x10000 + ((character - 0xd800) << 10) + (json_hex_unit(cursor->at + 2) - 0xdc00);
            cursor->at += 6;
        }
    } else {
        static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
        const char *name = strchr(names, c);
        character = name ? (unsigned char)values[name - names] : c;
    }
    cursor->have = encode_utf8(character, cursor->bytes);
    cursor->given = 0;
}

int json_cursor_next(struct json_cursor *cursor)
{
    if (cursor->given < cursor->have)
        return cursor->bytes[cursor->given++];
    if (*cursor->at == '"')
        return -1;
    if (*cursor->at != '\\')
        return *cursor->at++;
    cursor_escape(cursor);
    return cursor->bytes[cursor->given++];
}

static bool key_equals(const unsigned char *a, const unsigned char *b)
{
    struct json_cursor left = {.at = a}, right = {.at = b};
    int byte;
    do {
        byte = json_cursor_next(&left);
        if (byte != json_cursor_next(&right))
            return false;
    } while (byte >= 0);
    return true;
}

/*
 * A polynomial in a random point over the field of 2^31 - 1, then multiply-add-shift: for any two keys chosen
 * before the parameters were drawn, equal hashes are as rare as chance makes them.
 */
static uint32_t key_hash(struct json_keys *keys, size_t at)
{
    const uint64_t prime = 0x7fffffff;
    if (!keys->seeded) {
        uint64_t random[3];
        rng_bytes(random, sizeof random);
        keys->base = random[0] % (prime - 2) + 2;
        keys->factor = random[1] | 1;
        keys->addend = random[2];
        keys->seeded = true;
    }
    struct json_cursor cursor = {.at = keys->text + at};
    uint64_t hash = 1;
    for (int byte; (byte = json_cursor_next(&cursor)) >= 0;) {
        hash = (hash + (uint64_t)byte + 1) * keys->base;
        hash = (hash & prime) + (hash >> 31);
        hash = (hash & prime) + (hash >> 31);
    }
    return (uint32_t)((hash % prime * keys->factor + keys->addend) >> 32);
}

static void set_insert(struct json_key_set *set, const struct json_keys *keys, size_t index)
{
    size_t slot = keys->items[set->first + index].hash & (set->slot_count - 1);
    while (set->slots[slot])
        slot = (slot + 1) & (set->slot_count - 1);
    set->slots[slot] = (uint32_t)index + 1;
}

/* Puts key number `index`, the last of the set, into the table, which is kept at most half full. */
static void set_index(struct json_key_set *set, const struct json_keys *keys, size_t index)
{
    if (index < LINEAR)
        return;
    if ((index + 1) * 2 <= set->slot_count) {
        set_insert(set, keys, index);
        return;
    }
    set->slot_count = set->slot_count ? set->slot_count * 2 : (size_t)LINEAR * 4;
    free(set->slots);
    set->slots = xcalloc(set->slot_count, sizeof *set->slots);
    for (size_t i = 0; i <= index; i++)
        set_insert(set, keys, i);
}

static bool same_key(const struct json_keys *keys, const struct json_key *a, const struct json_key *b)
{
    return a->hash == b->hash && key_equals(keys->text + a->at, keys->text + b->at);
}

static bool set_has(const struct json_key_set *set, const struct json_keys *keys, const struct json_key *key)
{
    const struct json_key *items = keys->items + set->first;
    if (!set->slots) {
        for (size_t i = 0; i < keys->count - set->first; i++)
            if (same_key(keys, &items[i], key))
                return true;
        return false;
    }
    size_t mask = set->slot_count - 1;
    for (size_t slot = key->hash & mask; set->slots[slot]; slot = (slot + 1) & mask)
        if (same_key(keys, &items[set->slots[slot] - 1], key))
            return true;
    return false;
}

void json_keys_release(struct json_keys *keys)
{
    free(keys->items);
    *keys = (struct json_keys){.text = keys->text};
}

void json_keys_open(const struct json_keys *keys, struct json_key_set *set)
{
    *set = (struct json_key_set){.first = keys->count};
}

void json_keys_close(struct json_keys *keys, struct json_key_set *set)
{
    keys->count = set->first;
    free(set->slots);
    *set = (struct json_key_set){.first = keys->count};
}

bool json_keys_add(struct json_keys *keys, struct json_key_set *set, size_t at)
{
    struct json_key key = {.at = (uint32_t)at, .hash = key_hash(keys, at)};
    if (keys->count > set->first && set_has(set, keys, &key))
        return false;
    if (keys->count == keys->cap) {
        keys->cap = keys->cap ? keys->cap * 2 : 64;
        keys->items = xreallocarray(keys->items, keys->cap, sizeof *keys->items);
    }
    keys->items[keys->count++] = key;
    set_index(set, keys, keys->count - set->first - 1);
    return true;
}
