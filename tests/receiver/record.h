/*
 * record - every request that was read whole, in memory and in a file
 *
 * The file is NDJSON, one object a line: seq (from 1), connection (from 1), time (unix milliseconds, with
 * fraction), method, path (as sent, with its query), headers (names in lower case; several of one name joined
 * with ", "), body_sha256 (hexadecimal), body_size. Bytes in a header that are no UTF-8 stand there as
 * Latin-1 would read them.
 *
 * A line is in the file (write(2) has returned) before record_add() returns, so the caller answers only what
 * is recorded: after kill -9 the file holds at least every request that was answered. A file that exists is
 * read back, so the numbers go on after a restart.
 */
#ifndef RECEIVER_RECORD_H
#define RECEIVER_RECORD_H

#include <stdint.h>

#include <event2/buffer.h>

#include "http.h"

struct record;

/* `path` and `bodies_dir` (an existing folder) may be NULL. NULL with a message on stderr when it cannot be
 * opened. */
struct record *record_open(const char *path, const char *bodies_dir);
void record_free(struct record *record);

/* -1 with errno when it could not be written; then it is not counted either. */
int record_add(struct record *record, const struct request *request, uint64_t connection);

/* How many requests have a path that begins with `prefix`. */
uint64_t record_count(struct record *record, const char *prefix);

/* How many distinct values such requests have in the header `name` (lower case). Each question costs only
 * what has come since the same question was asked before. */
uint64_t record_distinct(struct record *record, const char *prefix, const char *name);

/* Appends the lines of such requests to `out`. -1 when there is no memory. */
int record_dump(struct record *record, const char *prefix, struct evbuffer *out);

/* Forgets all: memory, file and saved bodies; seq starts at 1 again. -1 with errno. */
int record_reset(struct record *record);

#endif
