/*
 * outcomes_file - what an errno means while a file is written, and how it went where there is none
 *
 * An operator mends folders, rights and space, so these are deferred; a path that is wrong stays wrong.
 */
#include "outcomes.h"

#include <errno.h>
#include <string.h>

enum { ERRNO_MAX = 4095 /* the kernel's */ };

static const struct answer codes[] = {
    {ENOSPC, ENOSPC, OUTCOME_DEFERRED, "full", 0, "no space left on the device"},
    {EDQUOT, EDQUOT, OUTCOME_DEFERRED, "full", 0, "the disk quota is exceeded"},
    {ENOENT, ENOENT, OUTCOME_DEFERRED, "no_folder", 0, "the folder does not exist"},
    {EACCES, EACCES, OUTCOME_DEFERRED, "permission", 0, "permission denied"},
    {EPERM, EPERM, OUTCOME_DEFERRED, "permission", 0, "operation not permitted"},
    {EROFS, EROFS, OUTCOME_DEFERRED, "read_only", 0, "a read-only file system"},
    {EIO, EIO, OUTCOME_DEFERRED, "io", 0, "an input/output error"},
    {ENAMETOOLONG, ENAMETOOLONG, OUTCOME_REJECTED, "path", 0, "the name is too long"},
    {ENOTDIR, ENOTDIR, OUTCOME_REJECTED, "path", 0, "not a directory"},
    {EISDIR, EISDIR, OUTCOME_REJECTED, "path", 0, "is a directory"},
    {ELOOP, ELOOP, OUTCOME_REJECTED, "path", 0, "a symbolic link where a placeholder is, or too many"},
    {EFBIG, EFBIG, OUTCOME_REJECTED, "too_large", 0, "larger than a file may be here"},
    {EEXIST, EEXIST, OUTCOME_REJECTED, "exists", 0, "a file with other content is there"},
    {1, ERRNO_MAX, OUTCOME_DEFERRED, "system", 0, "the system refused"},
    {0},
};

static const struct answer events[] = {
    {EVENT_WRITTEN, EVENT_WRITTEN, OUTCOME_DELIVERED, "written", 0, "written"},
    {EVENT_THERE_ALREADY, EVENT_THERE_ALREADY, OUTCOME_DELIVERED, "there_already", 0,
     "the same is there: an earlier attempt wrote it"},
    {EVENT_EXISTS, EVENT_EXISTS, OUTCOME_REJECTED, "exists", 0, "a file with other content is there"},
    {EVENT_BUSY, EVENT_BUSY, OUTCOME_DEFERRED, "busy", 0, "another attempt is writing it"},
    {EVENT_KILLED, EVENT_KILLED, OUTCOME_DEFERRED, "killed", 0, "the writing process was killed"},
    {EVENT_TIMEOUT, EVENT_TIMEOUT, OUTCOME_DEFERRED, "timeout", OVERLOAD, "not written in time"},
    {EVENT_SYSTEM, EVENT_SYSTEM, OUTCOME_DEFERRED, "system", LOCAL, "this host has no process for it"},
    {EVENT_CONFIGURATION, EVENT_CONFIGURATION, OUTCOME_REJECTED, "configuration", LOCAL,
     "the form cannot be used"},
    {0},
};

const struct outcome_table outcomes_file = {"errno", strerrorname_np, codes, events};
