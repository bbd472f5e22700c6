/*
 * uid - UUIDs, version 7 (RFC 9562 section 5.7): they grow with time, which keeps indexes local
 */
#ifndef DIST_UID_H
#define DIST_UID_H

#include <stdbool.h>
#include <stdint.h>

enum { UID_SIZE = 16, UID_TEXT_SIZE = 37 };

/* A new id in lower case text: milliseconds, then a counter for ids of one millisecond, then random bits. */
void uid_new(char text[UID_TEXT_SIZE]);
/* True for the 36-character form of any version, upper or lower case. */
bool uid_is(const char *text);
/* The bytes of such a text; false for any other, and `bytes` is undefined then. */
bool uid_bytes(const char *text, unsigned char bytes[UID_SIZE]);

#endif
