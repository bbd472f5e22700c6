/*
 * spool - see spool.h
 *
 * The one hard rule: a name that ends in .job stands for a whole file that is on the disk. So a file is
 * written and synced under another name, renamed, and the folder synced, and only then its id is given out;
 * and what is removed has been committed or lies in rejected/.
 */
#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdio.h"
#include "num.h"
#include "spooled.h"
#include "text.h"
#include "xalloc.h"

#define NEW_FILE ".new"
#define REJECTED "rejected"
#define SUFFIX ".job"

struct spool {
    char *folder;
    uint64_t max_bytes;
    int dir, lock, flush; /* -1: not open */
};

/* What has no room now may have it later. */
static int disk_fault(struct fault *fault, int error, const char *folder, const char *name)
{
    fault_errno(fault, error, "%s/%s", folder, name);
    if (fault && (error == ENOSPC || error == EDQUOT || error == EFBIG || error == EINTR))
        fault->class = FAULT_TEMP;
    return -1;
}

static int check_folder(const struct spool *spool, struct fault *fault)
{
    struct stat status;

    if (fstat(spool->dir, &status) < 0)
        return fault_errno(fault, errno, "%s", spool->folder);
    if (status.st_mode & 077)
        return fault_set(fault, FAULT_CONFIG,
                         "DIST_SPOOL_DIR: %s has mode %04o: it must be 0700, reports lie in it",
                         spool->folder, (unsigned)status.st_mode & 07777);
    return 0;
}

static int open_folder(struct spool *spool, struct fault *fault)
{
    if (*spool->folder != '/')
        return fault_set(fault, FAULT_CONFIG, "DIST_SPOOL_DIR: %s: an absolute path is wanted",
                         spool->folder);
    if (mkdir(spool->folder, 0700) < 0 && errno != EEXIST) {
        fault_errno(fault, errno, "DIST_SPOOL_DIR: %s", spool->folder);
        if (fault && errno == ENOENT)
            fault->class = FAULT_CONFIG;
        return -1;
    }
    spool->dir = fdio_open(spool->folder, O_RDONLY | O_DIRECTORY, 0, fault);
    if (spool->dir < 0)
        return fault_wrap(fault, "DIST_SPOOL_DIR");
    if (check_folder(spool, fault) < 0)
        return -1;
    spool->lock = openat(spool->dir, ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return spool->lock < 0 ? disk_fault(fault, errno, spool->folder, ".lock") : 0;
}

struct spool *spool_open(const char *folder, uint64_t max_bytes, struct fault *fault)
{
    struct spool *spool = xmalloc(sizeof *spool);

    *spool =
        (struct spool){.folder = xstrdup(folder), .max_bytes = max_bytes, .dir = -1, .lock = -1, .flush = -1};
    if (open_folder(spool, fault) == 0)
        return spool;
    spool_close(spool);
    return NULL;
}

void spool_close(struct spool *spool)
{
    if (!spool)
        return;
    if (spool->dir >= 0)
        close(spool->dir);
    if (spool->lock >= 0)
        close(spool->lock);
    if (spool->flush >= 0)
        close(spool->flush);
    free(spool->folder);
    free(spool);
}

const char *spool_folder(const struct spool *spool)
{
    return spool->folder;
}

static int hold(int fd, int operation)
{
    int status;

    do
        status = flock(fd, operation);
    while (status < 0 && errno == EINTR);
    return status;
}

/* The names below the folder in their order; the caller frees them and the array. -1: fault. */
static int list(const struct spool *spool, const char *below, int (*wanted)(const struct dirent *entry),
                struct dirent ***names, struct fault *fault)
{
    int count = scandirat(spool->dir, below, names, wanted, alphasort);

    return count < 0 ? disk_fault(fault, errno, spool->folder, below) : count;
}

static int add_sizes(const struct spool *spool, const char *below, uint64_t *bytes, struct fault *fault)
{
    struct dirent **names;
    int count = list(spool, below, NULL, &names, fault);

    for (int i = 0; i < count; i++) {
        char *path = xasprintf("%s/%s", below, names[i]->d_name);
        struct stat status;

        if (fstatat(spool->dir, path, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode))
            *bytes += (uint64_t)status.st_size;
        free(path);
        free(names[i]);
    }
    if (count >= 0)
        free((void *)names);
    return count < 0 ? -1 : 0;
}

static int used_bytes(const struct spool *spool, uint64_t *bytes, struct fault *fault)
{
    *bytes = 0;
    if (add_sizes(spool, ".", bytes, fault) < 0)
        return -1;
    if (faccessat(spool->dir, REJECTED, F_OK, 0) < 0)
        return 0;
    return add_sizes(spool, REJECTED, bytes, fault);
}

/* A whole file under its name below `dir`, synced; the folder is not. No half file stays. */
static int write_file(const struct spool *spool, int dir, const char *name, const struct buf *text,
                      struct fault *fault)
{
    int fd = openat(dir, NEW_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    int error;

    if (fd < 0)
        return disk_fault(fault, errno, spool->folder, name);
    if (fdio_write_all(fd, text->data, text->len, NULL) < 0 || fsync(fd) < 0) {
        error = errno;
        close(fd);
    } else if (close(fd) < 0 || renameat(dir, NEW_FILE, dir, name) < 0) {
        error = errno;
    } else {
        return 0;
    }
    unlinkat(dir, NEW_FILE, 0);
    return disk_fault(fault, error, spool->folder, name);
}

static int full(const struct spool *spool, struct fault *fault)
{
    char size[NUM_SIZE_SIZE];

    return fault_set(fault, FAULT_TEMP, "the spool %s is full: DIST_SPOOL_MAX is %s", spool->folder,
                     num_format_size(spool->max_bytes, size));
}

static int keep(struct spool *spool, struct job *const *jobs, size_t count, size_t *written,
                struct fault *fault)
{
    uint64_t used;
    int status;

    if (used_bytes(spool, &used, fault) < 0)
        return -1;
    for (status = 0; *written < count && status == 0;) {
        const struct job *job = jobs[*written];
        char *name = xasprintf("%s" SUFFIX, job->id);
        struct buf text;

        buf_init(&text, LIMIT_SPOOLED(job->body_size));
        status = spooled_write(job, &text, fault);
        if (status == 0 && (text.len > spool->max_bytes || used > spool->max_bytes - text.len))
            status = full(spool, fault);
        if (status == 0)
            status = write_file(spool, spool->dir, name, &text, fault);
        if (status == 0) {
            used += text.len;
            ++*written;
        }
        buf_release(&text);
        free(name);
    }
    return status;
}

int spool_keep(struct spool *spool, struct job *const *jobs, size_t count, size_t *kept, struct fault *fault)
{
    size_t written = 0;
    int status;

    *kept = 0;
    if (hold(spool->lock, LOCK_EX) < 0)
        return disk_fault(fault, errno, spool->folder, ".lock");
    status = keep(spool, jobs, count, &written, fault);
    hold(spool->lock, LOCK_UN);
    if (written && spool_sync(spool, fault) < 0)
        return -1;
    *kept = written;
    return status;
}

/* --- for the flusher --- */

int spool_flush_lock(struct spool *spool, struct fault *fault)
{
    spool->flush = openat(spool->dir, ".flush", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (spool->flush < 0)
        return disk_fault(fault, errno, spool->folder, ".flush");
    if (hold(spool->flush, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return disk_fault(fault, errno, spool->folder, ".flush");
    return fault_set(fault, FAULT_TEMP, "%s: another process is flushing it", spool->folder);
}

static int is_job(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name), suffix = strlen(SUFFIX);

    return *entry->d_name != '.' && size > suffix && !strcmp(entry->d_name + size - suffix, SUFFIX);
}

int spool_list(struct spool *spool, char ***names, size_t *count, struct fault *fault)
{
    struct dirent **found;
    int number = list(spool, ".", is_job, &found, fault);

    *names = NULL;
    *count = 0;
    if (number < 0)
        return -1;
    *names = xcalloc((size_t)number, sizeof **names);
    for (int i = 0; i < number; i++) {
        (*names)[(*count)++] = xstrdup(found[i]->d_name);
        free(found[i]);
    }
    free((void *)found);
    return 0;
}

int spool_read(struct spool *spool, const char *name, struct buf *out, struct fault *fault)
{
    struct stat status;
    int fd = openat(spool->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int result;

    buf_clear(out);
    if (fd < 0) {
        fault_errno(fault, errno, "%s/%s", spool->folder, name);
        if (fault && errno == ELOOP)
            fault->class = FAULT_INPUT;
        return -1;
    }
    if (fstat(fd, &status) < 0)
        result = fault_errno(fault, errno, "%s/%s", spool->folder, name);
    else if (!S_ISREG(status.st_mode))
        result = fault_set(fault, FAULT_INPUT, "%s/%s: no regular file", spool->folder, name);
    else
        result = fdio_read_all(fd, out, fault);
    close(fd);
    return result;
}

int spool_remove(struct spool *spool, const char *name, struct fault *fault)
{
    if (unlinkat(spool->dir, name, 0) < 0 && errno != ENOENT)
        return fault_errno(fault, errno, "%s/%s", spool->folder, name);
    return 0;
}

/* The reason first: a file that lies in rejected/ always has one. */
static int reject_into(struct spool *spool, int rejected, const char *name, const char *why,
                       struct fault *fault)
{
    char *reason = xasprintf("%.*s.reason", (int)(strlen(name) - strlen(SUFFIX)), name);
    struct buf text;
    int result;

    buf_init(&text, 4096);
    buf_addf(&text, "%s\n", why);
    result = write_file(spool, rejected, reason, &text, fault);
    if (result == 0 && renameat(spool->dir, name, rejected, name) < 0)
        result = disk_fault(fault, errno, spool->folder, name);
    if (result == 0 && fsync(rejected) < 0)
        result = disk_fault(fault, errno, spool->folder, REJECTED);
    buf_release(&text);
    free(reason);
    return result;
}

int spool_reject(struct spool *spool, const char *name, const char *why, struct fault *fault)
{
    int rejected, result;

    if (mkdirat(spool->dir, REJECTED, 0700) < 0 && errno != EEXIST)
        return disk_fault(fault, errno, spool->folder, REJECTED);
    rejected = openat(spool->dir, REJECTED, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (rejected < 0)
        return disk_fault(fault, errno, spool->folder, REJECTED);
    result = reject_into(spool, rejected, name, why, fault);
    close(rejected);
    return result == 0 ? spool_sync(spool, fault) : -1;
}

int spool_sync(struct spool *spool, struct fault *fault)
{
    return fsync(spool->dir) < 0 ? disk_fault(fault, errno, spool->folder, "") : 0;
}
