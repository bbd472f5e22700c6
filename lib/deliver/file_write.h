/*
 * file_write - one new file, whole or not at all, that replaces nothing
 *
 * Blocks on the disk, and makes only async-signal-safe calls: it runs in a child process after a fork.
 *
 * A file without a name (O_TMPFILE) is written, synced, and then linked to its name, so that a kill at any
 * instant leaves either the whole file or nothing. Where the file system has no such files it is first called
 * `temporary` in the same folder: a killed attempt leaves that behind, and the next attempt replaces it.
 */
#ifndef DIST_FILE_WRITE_H
#define DIST_FILE_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct file_write {
    const char *folder, *name;
    const char *temporary; /* a name that no other delivery uses */
    const void *body;
    size_t size;
    mode_t mode; /* the umask is not applied */
    bool named;  /* do not try O_TMPFILE: for tests */
};

enum file_end {
    FILE_UNKNOWN, /* nothing was reported: what an all-zero report says */
    FILE_WRITTEN,
    FILE_THERE_ALREADY, /* the name has the same bytes: an earlier attempt's, and synced */
    FILE_EXISTS,        /* the name is something else's, and stays as it is */
    FILE_BUSY,          /* another attempt of the same delivery took our temporary file away */
    FILE_FAILED,        /* *error is the errno */
};

enum file_end file_write(const struct file_write *file, int *error);

#endif
