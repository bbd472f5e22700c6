/*
 * migrations - the files of sql/, in the order of their numbers, built into the library by the Makefile
 */
#ifndef DIST_MIGRATIONS_H
#define DIST_MIGRATIONS_H

struct migration {
    int version;      /* 1, 2, ...: the number in front of the file's name */
    const char *name; /* "0001-init" */
    const char *sql;
};
extern const struct migration migrations[]; /* ended by version 0 */

#endif
