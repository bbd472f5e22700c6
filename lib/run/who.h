/*
 * who - whose doing it is: for records of what an administrator did
 */
#ifndef DIST_WHO_H
#define DIST_WHO_H

#include <stddef.h>

enum { WHO_SIZE = 160 };

/* "user@host", printable; a user without a name is his number. */
void who_find(char *who, size_t size);

#endif
