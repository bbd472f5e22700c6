/*
 * file_write - one new file, whole or not at all, that replaces nothing
 *
 * Blocks on the disk, and makes only async-signal-safe calls: it runs in a child process after a fork.
 *
 * A file without a name (O_TMPFILE) is written, synced, and then linked to its name, so that a kill at any
 * instant leaves either the whole file or nothing. Where the file system has no such files it is first called
 * `temporary` in the same folder: a killed attempt leaves that behind, and the next attempt replaces it.
 *
 * What an operator wrote of the path may lead over symbolic links; what reports put into it may not (ELOOP).
 */
#ifndef DIST_FILE_WRITE_H
#define DIST_FILE_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "destination.h"

struct file_write {
    const char *folder, *name;
    size_t fixed; /* bytes of the folder's beginning in which symbolic links are followed; 0: of all of it */
    const char *temporary; /* a name that no other delivery uses */
    const void *body;
    size_t size;
    mode_t mode; /* the umask is not applied */
    enum file_sync sync;
    bool owned; /* the file gets this owner and group, and folders too; -1: stays */
    uid_t owner;
    gid_t group;
    bool make_folders; /* those that are not there, with this mode */
    mode_t folder_mode;
    bool named; /* do not try O_TMPFILE: for tests */
};

enum file_end {
    FILE_UNKNOWN, /* nothing was reported: what an all-zero report says */
    FILE_WRITTEN,
    FILE_THERE_ALREADY, /* the name has the same bytes: an earlier attempt's, and synced likewise */
    FILE_EXISTS,        /* the name is something else's, and stays as it is */
    FILE_BUSY,          /* another attempt of the same delivery took our temporary file away */
    FILE_FAILED,        /* *error is the errno */
};

enum file_end file_write(const struct file_write *file, int *error);

#endif
