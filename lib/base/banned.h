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

#pragma GCC poison strcpy strcat strncpy strncat strtok sprintf vsprintf gets atoi atol atoll atof
#pragma GCC poison gmtime localtime ctime asctime mktemp tmpnam tempnam

#endif
