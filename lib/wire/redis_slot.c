/*
 * redis_slot - see redis_slot.h
 */
#include "redis_slot.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* x^16 + x^12 + x^5 + 1, from the highest bit, starting at 0: "123456789" gives 0x31C3. */
static unsigned crc16(const char *data, size_t size)
{
    unsigned crc = 0;

    for (size_t i = 0; i < size; i++) {
        crc ^= (unsigned)(unsigned char)data[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = ((crc << 1) ^ (crc & 0x8000U ? 0x1021U : 0U)) & 0xFFFFU;
    }
    return crc;
}

int redis_slot_of_key(const char *key, size_t size)
{
    const char *open = memchr(key, '{', size);
    const char *close = open ? memchr(open, '}', size - (size_t)(open - key)) : NULL;

    if (close && close > open + 1) {
        key = open + 1;
        size = (size_t)(close - key);
    }
    return (int)(crc16(key, size) % REDIS_SLOTS);
}

/* Where a command's first key is. Those that are not listed have it behind their name. */
enum place {
    PLACE_NONE,
    PLACE_SECOND = 2, /* the argument of that number, the name being 0 */
    PLACE_THIRD = 3,
    PLACE_COUNTED_1, /* argument 1 is how many keys follow it */
    PLACE_COUNTED_2,
    PLACE_STREAMS, /* behind the word STREAMS */
};

static const struct {
    const char *name;
    enum place place;
} commands[] = {
    {"ACL", PLACE_NONE},
    {"ASKING", PLACE_NONE},
    {"AUTH", PLACE_NONE},
    {"BGREWRITEAOF", PLACE_NONE},
    {"BGSAVE", PLACE_NONE},
    {"BITOP", PLACE_SECOND},
    {"BLMPOP", PLACE_COUNTED_2},
    {"BZMPOP", PLACE_COUNTED_2},
    {"CLIENT", PLACE_NONE},
    {"CLUSTER", PLACE_NONE},
    {"COMMAND", PLACE_NONE},
    {"CONFIG", PLACE_NONE},
    {"DBSIZE", PLACE_NONE},
    {"DEBUG", PLACE_NONE},
    {"DISCARD", PLACE_NONE},
    {"ECHO", PLACE_NONE},
    {"EVAL", PLACE_COUNTED_2},
    {"EVALSHA", PLACE_COUNTED_2},
    {"EVALSHA_RO", PLACE_COUNTED_2},
    {"EVAL_RO", PLACE_COUNTED_2},
    {"EXEC", PLACE_NONE},
    {"FAILOVER", PLACE_NONE},
    {"FCALL", PLACE_COUNTED_2},
    {"FCALL_RO", PLACE_COUNTED_2},
    {"FLUSHALL", PLACE_NONE},
    {"FLUSHDB", PLACE_NONE},
    {"FUNCTION", PLACE_NONE},
    {"HELLO", PLACE_NONE},
    {"INFO", PLACE_NONE},
    {"KEYS", PLACE_NONE},
    {"LASTSAVE", PLACE_NONE},
    {"LATENCY", PLACE_NONE},
    {"LMPOP", PLACE_COUNTED_1},
    {"LOLWUT", PLACE_NONE},
    {"MEMORY", PLACE_SECOND},
    {"MIGRATE", PLACE_THIRD},
    {"MODULE", PLACE_NONE},
    {"MONITOR", PLACE_NONE},
    {"MULTI", PLACE_NONE},
    {"OBJECT", PLACE_SECOND},
    {"PING", PLACE_NONE},
    {"PSUBSCRIBE", PLACE_NONE},
    {"PUBLISH", PLACE_NONE},
    {"PUBSUB", PLACE_NONE},
    {"QUIT", PLACE_NONE},
    {"RANDOMKEY", PLACE_NONE},
    {"READONLY", PLACE_NONE},
    {"READWRITE", PLACE_NONE},
    {"REPLICAOF", PLACE_NONE},
    {"RESET", PLACE_NONE},
    {"ROLE", PLACE_NONE},
    {"SAVE", PLACE_NONE},
    {"SCAN", PLACE_NONE},
    {"SCRIPT", PLACE_NONE},
    {"SELECT", PLACE_NONE},
    {"SHUTDOWN", PLACE_NONE},
    {"SINTERCARD", PLACE_COUNTED_1},
    {"SLOWLOG", PLACE_NONE},
    {"SUBSCRIBE", PLACE_NONE},
    {"SWAPDB", PLACE_NONE},
    {"TIME", PLACE_NONE},
    {"UNWATCH", PLACE_NONE},
    {"WAIT", PLACE_NONE},
    {"XGROUP", PLACE_SECOND},
    {"XINFO", PLACE_SECOND},
    {"XREAD", PLACE_STREAMS},
    {"XREADGROUP", PLACE_STREAMS},
    {"ZDIFF", PLACE_COUNTED_1},
    {"ZINTER", PLACE_COUNTED_1},
    {"ZINTERCARD", PLACE_COUNTED_1},
    {"ZMPOP", PLACE_COUNTED_1},
    {"ZUNION", PLACE_COUNTED_1},
};

struct walk {
    const char *at, *end;
};
struct argument {
    const char *text;
    size_t size;
};

/* "$<size>\r\n<text>\r\n" */
static bool next(struct walk *walk, struct argument *argument)
{
    const char *line = walk->at < walk->end ? memchr(walk->at, '\n', (size_t)(walk->end - walk->at)) : NULL;

    if (!line || *walk->at != '$')
        return false;
    argument->size = strtoul(walk->at + 1, NULL, 10); /* hiredis has written it */
    argument->text = line + 1;
    if (argument->size > (size_t)(walk->end - argument->text))
        return false;
    walk->at = argument->text + argument->size + 2;
    return true;
}

static bool is_word(const struct argument *argument, const char *word)
{
    return argument->size == strlen(word) && strncasecmp(argument->text, word, argument->size) == 0;
}

/* The slot that the keys of a command share: their number comes first. */
static int slot_of_counted(struct walk *walk)
{
    struct argument argument;
    unsigned long count;
    int slot = REDIS_SLOT_NONE;

    if (!next(walk, &argument))
        return REDIS_SLOT_NONE;
    count = strtoul(argument.text, NULL, 10); /* a number ends at the line's end */
    while (count-- > 0 && next(walk, &argument)) {
        int one = redis_slot_of_key(argument.text, argument.size);

        if (slot != REDIS_SLOT_NONE && one != slot)
            return REDIS_SLOT_MIXED;
        slot = one;
    }
    return slot;
}

int redis_slot_of_command(const char *bytes, size_t size)
{
    struct walk walk = {.at = memchr(bytes, '$', size), .end = bytes + size};
    struct argument argument;
    int place = 1;

    if (!walk.at || !next(&walk, &argument))
        return REDIS_SLOT_NONE;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (is_word(&argument, commands[i].name))
            place = commands[i].place;
    if (place == PLACE_NONE)
        return REDIS_SLOT_NONE;
    if (place == PLACE_COUNTED_2 && !next(&walk, &argument))
        return REDIS_SLOT_NONE;
    if (place == PLACE_COUNTED_1 || place == PLACE_COUNTED_2)
        return slot_of_counted(&walk);
    if (place == PLACE_STREAMS) {
        do {
            if (!next(&walk, &argument))
                return REDIS_SLOT_NONE;
        } while (!is_word(&argument, "STREAMS"));
        place = 1;
    }
    for (int i = 0; i < place; i++)
        if (!next(&walk, &argument))
            return REDIS_SLOT_NONE;
    return redis_slot_of_key(argument.text, argument.size);
}
