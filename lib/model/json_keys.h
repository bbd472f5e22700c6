/*
 * json_keys - the keys of the objects that a scan has open, to see one that comes twice; for json_check.c
 *
 * A set belongs to one object and lives while it is open; sets nest as objects do. Keys are offsets into the
 * text and are compared with their escapes resolved. Adding is O(length of the key) whatever the keys are:
 * the hash has parameters that are drawn anew for every text, so no colliding keys can be prepared.
 */
#ifndef DIST_JSON_KEYS_H
#define DIST_JSON_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The bytes of a string's content with its escapes resolved; {.at = first byte behind the quote}. The string
 * must have been checked: nothing fails here.
 */
struct json_cursor {
    const unsigned char *at;
    unsigned char bytes[4]; /* of a character that was escaped */
    int have, given;
};
int json_cursor_next(struct json_cursor *cursor); /* a byte, or -1 at the closing quote */

/* The number that four hexadecimal digits are. */
unsigned json_hex_unit(const unsigned char *digits);

struct json_key;
struct json_keys {
    const unsigned char *text; /* borrowed; at most 4 GiB */
    struct json_key *items;    /* of all open objects, the innermost last */
    size_t count, cap;
    bool seeded;
    uint64_t base, factor, addend; /* parameters of the hash */
};
struct json_key_set {
    size_t first;      /* its first key in the items */
    uint32_t *slots;   /* with many keys: open hashing, 1 + index from `first`, 0 is free; else NULL */
    size_t slot_count; /* a power of two */
};

/* Begin with {.text = text}. */
void json_keys_release(struct json_keys *keys);
void json_keys_open(const struct json_keys *keys, struct json_key_set *set);
void json_keys_close(struct json_keys *keys, struct json_key_set *set); /* of the sets the one opened last */
/* Adds the key whose content begins at offset `at`; false where it is there already. */
bool json_keys_add(struct json_keys *keys, struct json_key_set *set, size_t at);

#endif
