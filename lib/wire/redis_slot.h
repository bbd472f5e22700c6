/*
 * redis_slot - which of a cluster's 16384 slots a command belongs to: pure
 *
 * The slot of a key is CRC16 (XMODEM) of what lies between its first '{' and the next '}', of the whole key
 * where there is nothing; modulo 16384 (the cluster specification of Redis).
 */
#ifndef DIST_REDIS_SLOT_H
#define DIST_REDIS_SLOT_H

#include <stddef.h>

enum {
    REDIS_SLOTS = 16384,
    REDIS_SLOT_NONE = -1,  /* a command without a key: for any node */
    REDIS_SLOT_MIXED = -2, /* keys of several slots: for none */
};

int redis_slot_of_key(const char *key, size_t size);
/* Of a command in the form in which it is sent, by the keys of a script, or the first key of others. */
int redis_slot_of_command(const char *bytes, size_t size);

#endif
