/*
 * config_files - the files of a configuration folder
 */
#ifndef DIST_CONFIG_FILES_H
#define DIST_CONFIG_FILES_H

#include <stddef.h>
#include "buf.h"
#include "fault.h"

/* Appends a regular file to `text`, whose ceiling bounds it. Whatever else is in its place (a FIFO, a device)
 * is refused and does not block. Faults have the path in front. */
int config_file_read(const char *path, struct buf *text, struct fault *fault);

/* One file of a folder: "eu.json" has the stem "eu". Borrowed for the call. */
struct config_file {
    const char *path, *name, *stem;
};
/*
 * Calls `each` for every *.json of the folder that is not hidden, in the order of their names. A folder that
 * is not there has none. Returns how many there were, or -1 with the fault (SYSTEM). `each` may be NULL: they
 * are counted.
 */
int config_folder_each(const char *folder, void (*each)(void *arg, const struct config_file *file), void *arg,
                       struct fault *fault);

#endif
