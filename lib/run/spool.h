/*
 * spool - a folder that keeps accepted distributions while PostgreSQL is away
 *
 * One file per distribution, named by its row's id (UUIDv7: the names are in the order of submission), of
 * mode 0600 in a folder of mode 0700 (lib/model/spooled.h says what is in it). A distribution is spooled when
 * its file has been written, synced and renamed, and the folder synced. Files: ID.job; ".new" while one is
 * written;
 * ".lock", which writers hold; ".flush", which a flusher holds; rejected/ID.job with rejected/ID.reason
 * beside it for what can never be submitted.
 *
 * Any number of processes may write; they write one after another, so what is left as .new by a crash is
 * nobody's. One may flush at a time. Blocks on the disk and on other writers. Faults: TEMP where the spool is
 * full (its own ceiling, or the disk's) or another one flushes, CONFIG where the folder is not as above,
 * SYSTEM else.
 */
#ifndef DIST_SPOOL_H
#define DIST_SPOOL_H

#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "fault.h"
#include "job.h"

struct spool;

/* An absolute path. The folder is made where it is missing (not those above it). `max_bytes`: of all files in
 * it, the rejected too. */
struct spool *spool_open(const char *folder, uint64_t max_bytes, struct fault *fault);
void spool_close(struct spool *spool);
const char *spool_folder(const struct spool *spool);

/* The jobs in order; `kept`: how many of them are spooled for good, which after a fault are the first ones.
 */
int spool_keep(struct spool *spool, struct job *const *jobs, size_t count, size_t *kept, struct fault *fault);

/* --- for the flusher --- */

int spool_flush_lock(struct spool *spool, struct fault *fault); /* until the spool is closed */
/* The names of the files in order; the caller frees them and the array. */
int spool_list(struct spool *spool, char ***names, size_t *count, struct fault *fault);
/* `out` is emptied first. INPUT: the file cannot be one of ours (too large, no regular file). */
int spool_read(struct spool *spool, const char *name, struct buf *out, struct fault *fault);
int spool_remove(struct spool *spool, const char *name, struct fault *fault); /* durable by spool_sync() */
/* Into rejected/, with the reason; both durable when this returns. */
int spool_reject(struct spool *spool, const char *name, const char *why, struct fault *fault);
int spool_sync(struct spool *spool, struct fault *fault);

#endif
