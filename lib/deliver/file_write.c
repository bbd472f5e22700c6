/*
 * The instant at which the report is delivered is the link(2) of the synced file to its name; before it
 * nothing under that name changes, after it only the folder is synced. The one hard rule: what is linked is
 * the file that this process holds open, by descriptor, never whatever has the temporary name by now.
 */
#include "file_write.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROC_NAME_SIZE = 32, COMPARE_SIZE = 16384 };
enum { AT_FOLDER = O_PATH | O_DIRECTORY | O_CLOEXEC };

struct writing {
    const struct file_write *file;
    int folder;
    int fd;
    bool named; /* it has the temporary name */
};

/* "/proc/self/fd/12"; snprintf is not async-signal-safe. */
static void proc_name(int fd, char name[PROC_NAME_SIZE])
{
    static const char prefix[] = "/proc/self/fd/";
    char digits[12];
    size_t count = 0, at = sizeof prefix - 1;

    memcpy(name, prefix, sizeof prefix);
    do
        digits[count++] = (char)('0' + fd % 10);
    while ((fd /= 10) > 0);
    while (count > 0)
        name[at++] = digits[--count];
    name[at] = '\0';
}

/* A folder that may be written and not read (a drop box) cannot be opened for fsync: sync it all by `file`,
 * which is in it. */
static int sync_at(int folder, int file)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return errno == EACCES && file >= 0 ? syncfs(file) : -1;
    int result = fsync(fd);
    int error = errno;
    close(fd);
    errno = error;
    return result;
}

/* Folders */

/* That another attempt makes it at the same time is fine. */
static int make_folder(const struct file_write *file, int parent, const char *name)
{
    mode_t mask = umask(0);
    int result = mkdirat(parent, name, file->folder_mode), error = errno;

    umask(mask);
    errno = error;
    if (result < 0)
        return errno == EEXIST ? 0 : -1;
    if (file->owned && fchownat(parent, name, file->owner, file->group, AT_SYMLINK_NOFOLLOW) < 0) {
        error = errno;
        unlinkat(parent, name, AT_REMOVEDIR);
        errno = error;
        return -1;
    }
    if (file->sync == SYNC_FULL && sync_at(parent, -1) < 0 && errno != EACCES)
        return -1;
    return 0;
}

static int open_component(const struct file_write *file, int parent, const char *name, int no_follow)
{
    struct stat stat;
    int fd = openat(parent, name, AT_FOLDER | no_follow);

    if (fd < 0 && errno == ENOENT && file->make_folders && make_folder(file, parent, name) == 0)
        fd = openat(parent, name, AT_FOLDER | no_follow);
    if (fd < 0 && errno == ENOTDIR && no_follow) {
        int error = fstatat(parent, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(stat.st_mode);
        errno = error ? ELOOP : ENOTDIR;
    }
    return fd;
}

/* Component by component, so that it is known which of them are links. -1 with errno. */
static int open_folder(const struct file_write *file)
{
    const char *at = file->folder;
    int folder = open("/", AT_FOLDER);

    while (folder >= 0 && *(at += strspn(at, "/"))) {
        size_t size = strcspn(at, "/"), end = (size_t)(at - file->folder) + size;
        int no_follow = file->fixed && end > file->fixed ? O_NOFOLLOW : 0;
        char name[NAME_MAX + 1];
        int next = -1;
        if (size >= sizeof name) {
            errno = ENAMETOOLONG;
        } else {
            memcpy(name, at, size);
            name[size] = '\0';
            next = open_component(file, folder, name, no_follow);
        }
        int error = errno;
        close(folder);
        errno = error;
        folder = next;
        at += size;
    }
    return folder;
}

/* The file */

static int open_new(struct writing *writing)
{
    const char *temporary = writing->file->temporary;

    /* Linking a file without a name needs /proc. */
    if (!writing->file->named && access("/proc/self/fd", F_OK) == 0) {
        writing->fd = openat(writing->folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
        if (writing->fd >= 0)
            return 0;
        if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
            return -1;
    }
    for (int tries = 0; tries < 10; tries++) { /* another attempt may take the name at the same time */
        unlinkat(writing->folder, temporary, 0);
        writing->fd =
            openat(writing->folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        writing->named = writing->fd >= 0;
        if (writing->fd >= 0 || errno != EEXIST)
            break;
    }
    return writing->fd < 0 ? -1 : 0;
}

static int write_body(const struct writing *writing)
{
    const char *body = writing->file->body;
    size_t left = writing->file->size;

    while (left > 0) {
        ssize_t size = write(writing->fd, body, left);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return -1;
        body += size;
        left -= (size_t)size;
    }
    /* The owner first: it takes bits of the mode away. */
    if (writing->file->owned && fchown(writing->fd, writing->file->owner, writing->file->group) < 0)
        return -1;
    if (fchmod(writing->fd, writing->file->mode) < 0)
        return -1;
    return writing->file->sync == SYNC_NONE ? 0 : fsync(writing->fd);
}

static bool same_bytes(int fd, const char *body, size_t left)
{
    char bytes[COMPARE_SIZE];

    while (left > 0) {
        ssize_t size = read(fd, bytes, left < sizeof bytes ? left : sizeof bytes);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0 || memcmp(bytes, body, (size_t)size) != 0)
            return false;
        body += size;
        left -= (size_t)size;
    }
    return true;
}

/* FILE_UNKNOWN: the name is free. */
static enum file_end judge_existing(const struct writing *writing)
{
    const struct file_write *file = writing->file;
    int fd = openat(writing->folder, file->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    enum file_end end = FILE_EXISTS;
    struct stat stat;

    if (fd < 0)
        return errno == ENOENT ? FILE_UNKNOWN : FILE_EXISTS;
    if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && (size_t)stat.st_size == file->size &&
        same_bytes(fd, file->body, file->size) && (file->sync == SYNC_NONE || fsync(fd) == 0))
        end = FILE_THERE_ALREADY;
    close(fd);
    return end;
}

/* Where there are no hard links, or no /proc: by name, which holds as long as the name is still this file's.
 */
static int publish_by_name(const struct writing *writing)
{
    struct stat ours, named;

    if (fstat(writing->fd, &ours) < 0 ||
        fstatat(writing->folder, writing->file->temporary, &named, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (ours.st_ino != named.st_ino || ours.st_dev != named.st_dev) {
        errno = ENOENT;
        return -1;
    }
    return renameat2(writing->folder, writing->file->temporary, writing->folder, writing->file->name,
                     RENAME_NOREPLACE);
}

static enum file_end publish(struct writing *writing, int *error)
{
    char ours[PROC_NAME_SIZE];
    bool done;

    proc_name(writing->fd, ours);
    done = linkat(AT_FDCWD, ours, writing->folder, writing->file->name, AT_SYMLINK_FOLLOW) == 0;
    if (!done && writing->named && errno != EEXIST) {
        done = publish_by_name(writing) == 0;
        if (done)
            writing->named = false;
    }
    if (done)
        return FILE_WRITTEN;
    *error = errno;
    if (*error != EEXIST && *error != ENOENT)
        return FILE_FAILED;
    enum file_end end = judge_existing(writing);
    if (end != FILE_UNKNOWN)
        return end;
    return writing->named && *error == ENOENT ? FILE_BUSY : FILE_FAILED;
}

static enum file_end write_and_publish(struct writing *writing, int *error)
{
    enum file_end end;

    if (open_new(writing) < 0 || write_body(writing) < 0) {
        *error = errno;
        return FILE_FAILED;
    }
    end = publish(writing, error);
    if ((end == FILE_WRITTEN || end == FILE_THERE_ALREADY) && writing->file->sync == SYNC_FULL &&
        sync_at(writing->folder, writing->fd) < 0) {
        *error = errno;
        return FILE_FAILED;
    }
    return end;
}

enum file_end file_write(const struct file_write *file, int *error)
{
    struct writing writing = {.file = file, .fd = -1};

    *error = 0;
    writing.folder = open_folder(file);
    if (writing.folder < 0) {
        *error = errno;
        return FILE_FAILED;
    }
    enum file_end end = write_and_publish(&writing, error);
    if (writing.named && end != FILE_BUSY)
        unlinkat(writing.folder, file->temporary, 0);
    if (writing.fd >= 0)
        close(writing.fd);
    close(writing.folder);
    return end;
}
