/*
 * banned - functions that this code does not call; forced into every file by the Makefile
 */
#ifndef DIST_BANNED_H
#define DIST_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <alloca.h>

/* With _FORTIFY_SOURCE and clang these are macros, and a macro cannot be poisoned. */
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat strncpy strncat strtok sprintf vsprintf gets atoi atol atoll atof
#pragma GCC poison gmtime localtime ctime asctime mktemp tmpnam tempnam

#endif
