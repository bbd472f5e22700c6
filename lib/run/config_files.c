/*
 * config_files - see config_files.h
 */
#include "config_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdio.h"
#include "xalloc.h"

/* O_NONBLOCK: to open a FIFO would wait for who writes it. */
int config_file_read(const char *path, struct buf *text, struct fault *fault)
{
    struct stat status;
    int fd = fdio_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, fault);
    int result;

    if (fd < 0)
        return -1;
    if (fstat(fd, &status) < 0)
        result = fault_errno(fault, errno, "cannot be examined");
    else if (!S_ISREG(status.st_mode))
        result = fault_set(fault, FAULT_INPUT, "is no regular file");
    else
        result = fdio_read_all(fd, text, fault);
    close(fd);
    return result == 0 ? 0 : fault_wrap(fault, "%s", path);
}

static int is_form(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return entry->d_name[0] != '.' && size > 5 && !strcmp(entry->d_name + size - 5, ".json");
}

static void call(const char *folder, const char *name,
                 void (*each)(void *arg, const struct config_file *file), void *arg)
{
    char *path = xasprintf("%s/%s", folder, name);
    char *stem = xmemdupz(name, strlen(name) - strlen(".json"));

    each(arg, &(struct config_file){.path = path, .name = name, .stem = stem});
    free(stem);
    free(path);
}

int config_folder_each(const char *folder, void (*each)(void *arg, const struct config_file *file), void *arg,
                       struct fault *fault)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_form, alphasort);

    if (count < 0)
        return errno == ENOENT ? 0 : fault_errno(fault, errno, "cannot read %s", folder);
    for (int i = 0; i < count; i++) {
        if (each)
            call(folder, entries[i]->d_name, each, arg);
        free(entries[i]);
    }
    free(entries);
    return count;
}
