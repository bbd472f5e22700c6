/*
 * strmap - chained buckets under SipHash-1-3 (Aumasson and Bernstein, 2012; the round counts of Rust and
 * Python). Hard rule: removing never moves another entry, so a walk may remove the entry it stands on.
 */
#include "strmap.h"

#include <endian.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "rng.h"
#include "xalloc.h"

struct strmap_entry {
    struct strmap_entry *next;
    uint64_t hash;
    void *value;
    char key[];
};

enum { FIRST_BUCKETS = 16 }; /* the count stays a power of two */

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
    v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

static uint64_t seed[2]; /* of the process; threads have maps of their own */

static void make_seed(void)
{
    rng_bytes(seed, sizeof(seed));
}

static uint64_t hash_of(const char *key, size_t len)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const char *at = key;
    size_t left = len;
    uint64_t v[4], word;

    pthread_once(&once, make_seed);
    v[0] = seed[0] ^ UINT64_C(0x736f6d6570736575);
    v[1] = seed[1] ^ UINT64_C(0x646f72616e646f6d);
    v[2] = seed[0] ^ UINT64_C(0x6c7967656e657261);
    v[3] = seed[1] ^ UINT64_C(0x7465646279746573);
    for (; left >= sizeof(word); at += sizeof(word), left -= sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        sip_word(v, le64toh(word));
    }
    word = (uint64_t)len << 56;
    for (size_t i = 0; i < left; i++)
        word |= (uint64_t)(unsigned char)at[i] << (8 * i);
    sip_word(v, word);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void strmap_init(struct strmap *map)
{
    *map = (struct strmap){0};
}

void strmap_release(struct strmap *map, void (*free_value)(void *))
{
    if (map == NULL)
        return;
    for (size_t i = 0; i < map->bucket_count; i++) {
        struct strmap_entry *entry = map->buckets[i];

        while (entry != NULL) {
            struct strmap_entry *next = entry->next;

            if (free_value != NULL)
                free_value(entry->value);
            free(entry);
            entry = next;
        }
    }
    free(map->buckets);
    strmap_init(map);
}

/* The link that points at the entry of `key`, or at the NULL where it belongs; NULL while there are no
 * buckets. */
static struct strmap_entry **find(const struct strmap *map, const char *key, uint64_t hash)
{
    struct strmap_entry **link;

    if (map->bucket_count == 0)
        return NULL;
    link = &map->buckets[hash & (map->bucket_count - 1)];
    while (*link != NULL && ((*link)->hash != hash || strcmp((*link)->key, key) != 0))
        link = &(*link)->next;
    return link;
}

void *strmap_get(const struct strmap *map, const char *key)
{
    struct strmap_entry **link = find(map, key, hash_of(key, strlen(key)));

    return link != NULL && *link != NULL ? (*link)->value : NULL;
}

static void grow(struct strmap *map)
{
    size_t count = map->bucket_count > 0 ? map->bucket_count * 2 : FIRST_BUCKETS;
    struct strmap_entry **buckets = xcalloc(count, sizeof(struct strmap_entry *));

    for (size_t i = 0; i < map->bucket_count; i++) {
        struct strmap_entry *entry = map->buckets[i];

        while (entry != NULL) {
            struct strmap_entry *next = entry->next;
            struct strmap_entry **bucket = &buckets[entry->hash & (count - 1)];

            entry->next = *bucket;
            *bucket = entry;
            entry = next;
        }
    }
    free(map->buckets);
    map->buckets = buckets;
    map->bucket_count = count;
}

void *strmap_put(struct strmap *map, const char *key, void *value)
{
    const size_t len = strlen(key);
    const uint64_t hash = hash_of(key, len);
    struct strmap_entry **link = find(map, key, hash);
    struct strmap_entry *entry;

    if (link != NULL && *link != NULL) {
        void *old = (*link)->value;

        (*link)->value = value;
        return old;
    }
    if (map->count >= map->bucket_count)
        grow(map);
    entry = xmalloc(sizeof(*entry) + len + 1);
    entry->hash = hash;
    entry->value = value;
    memcpy(entry->key, key, len + 1);
    link = &map->buckets[hash & (map->bucket_count - 1)];
    entry->next = *link;
    *link = entry;
    map->count++;
    return NULL;
}

void *strmap_remove(struct strmap *map, const char *key)
{
    struct strmap_entry **link = find(map, key, hash_of(key, strlen(key)));
    struct strmap_entry *entry;
    void *value;

    if (link == NULL || *link == NULL)
        return NULL;
    entry = *link;
    value = entry->value;
    *link = entry->next;
    free(entry);
    map->count--;
    return value;
}

void strmap_each(struct strmap *map, void (*visit)(const char *key, void *value, void *arg), void *arg)
{
    for (size_t i = 0; i < map->bucket_count; i++) {
        struct strmap_entry *entry = map->buckets[i];

        while (entry != NULL) {
            struct strmap_entry *next = entry->next;

            visit(entry->key, entry->value, arg);
            entry = next;
        }
    }
}
