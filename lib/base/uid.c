/*
 * uid - the ids of everything that is stored. The layout is RFC 9562 section 5.7; the 12 bits of rand_a are a
 * counter (section 6.2, method 1).
 * Hard rule: within a thread each id is greater than the one before, whatever the wall clock does.
 */
#include "uid.h"

#include <string.h>
#include "clock.h"
#include "rng.h"
#include "text.h"

enum { COUNTER_MAX = 0xfff, COUNTER_START_MASK = 0x7ff };

void uid_new(char text[UID_TEXT_SIZE])
{
    static _Thread_local uint64_t last_ms;
    static _Thread_local unsigned counter;
    uint64_t now_ms = (uint64_t)(clock_wall_us() / 1000);
    unsigned char id[UID_SIZE];
    char hex[2 * sizeof(id) + 1];

    rng_bytes(id, sizeof(id));
    if (now_ms > last_ms || counter == COUNTER_MAX) {
        last_ms = now_ms > last_ms ? now_ms : last_ms + 1;
        /* Half of the range stays for the ids that follow in this millisecond. */
        counter = ((unsigned)id[6] << 8 | id[7]) & COUNTER_START_MASK;
    } else {
        counter++;
    }
    for (int i = 0; i < 6; i++)
        id[i] = (unsigned char)(last_ms >> (40 - 8 * i));
    id[6] = (unsigned char)(0x70 | counter >> 8);
    id[7] = (unsigned char)counter;
    id[8] = (unsigned char)(0x80 | (id[8] & 0x3f));

    text_hex(id, sizeof(id), hex);
    for (int from = 0, to = 0; from < 32; from++) {
        if (from == 8 || from == 12 || from == 16 || from == 20)
            text[to++] = '-';
        text[to++] = hex[from];
    }
    text[UID_TEXT_SIZE - 1] = '\0';
}

/* The value of a hexadecimal digit; -1: it is none. */
static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | ('a' ^ 'A'));
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uid_bytes(const char *text, unsigned char bytes[UID_SIZE])
{
    for (int i = 0; i < UID_SIZE; i++) {
        int high, low;

        if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
            return false;
        high = digit(text[0]);
        low = high < 0 ? -1 : digit(text[1]);
        if (low < 0)
            return false;
        bytes[i] = (unsigned char)(high << 4 | low);
        text += 2;
    }
    return *text == '\0';
}

bool uid_is(const char *text)
{
    unsigned char bytes[UID_SIZE];

    return uid_bytes(text, bytes);
}
