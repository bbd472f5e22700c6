/*
 * pg_sink - a connection to somebody else's PostgreSQL, to write rows into it (libpq)
 *
 * Unlike pg.h, which is the way to our own: hosts are looked up and shown to the address guard here, and
 * connected to by the very address that was looked at. No password, certificate or authority is taken from
 * the environment of libpq or from the files of a home (PGPASSWORD, .pgpass, .postgresql). Nothing is kept by
 * the session, so that poolers which hand it on after each transaction are fine.
 *
 * Every call blocks, at most until its deadline (clock_mono_ms()). A server that says more to a call than any
 * answer has is BROKEN. Values go as parameters or by COPY only; names by pg_sink_add_name().
 */
#ifndef DIST_PG_SINK_H
#define DIST_PG_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "guard.h"
#include "pg_message.h"

enum pg_sink_cause {
    PG_SINK_STATE,           /* the server said no, by a SQLSTATE; the connection is good */
    PG_SINK_CONNECT,         /* no such name, or no connection */
    PG_SINK_TLS,             /* no trusted TLS */
    PG_SINK_REFUSED_ADDRESS, /* the guard */
    PG_SINK_TIMEOUT,         /* the deadline is over */
    PG_SINK_BROKEN,          /* the connection is of no use any more; a `state` may say why */
};
struct pg_sink_error {
    enum pg_sink_cause cause;
    char state[PG_STATE_SIZE]; /* "" where there is none */
    char
        text[PG_LINE_SIZE]; /* the server's primary message or libpq's; no parameter, no password, no value */
};

struct pg_sink_host {
    const char *host; /* a name, an address, or the folder of a unix socket */
    int port;
};
struct pg_sink_config {
    const struct pg_sink_host *hosts; /* each address of each is tried, in order, until one is a primary */
    size_t host_count;
    const char *database, *user, *password; /* NULL: libpq's default, but for the password: none */
    const char *sslmode;                    /* a word of libpq */
    const char *tls_name; /* what the certificate must carry; NULL: the name that is connected to */
    const char *ca_file, *cert_file, *key_file; /* PEM; NULL: the system's authorities, none, in cert_file */
    const char *application;
    struct guard guard; /* of every address; the path of a unix socket is the caller's choice */
    int64_t deadline_ms;
    void (*on_socket)(void *arg, int fd); /* as soon as there is one, and when it is another one */
    void *arg;
};

struct pg_sink;
struct pg_sink *pg_sink_open(const struct pg_sink_config *config, struct pg_sink_error *error);
void pg_sink_close(struct pg_sink *sink); /* NULL is fine */
/* Whether an idle connection still is one, as far as it can be seen without asking. */
bool pg_sink_is_alive(struct pg_sink *sink);

enum { PG_SINK_COLUMNS_MAX = 1600 }; /* MaxHeapAttributeNumber */

/* A table as it is now. */
struct pg_sink_column {
    char *name, *type; /* as SQL writes it: "numeric(10,2)" */
    char *base;        /* "numeric": without length, of a domain what it is over */
};
struct pg_sink_table {
    struct pg_sink_column *columns;
    size_t count;
    bool may_stage; /* the role may make temporary tables here */
};
/* `schema` may be NULL: found by the search path. */
int pg_sink_describe(struct pg_sink *sink, const char *schema, const char *table, int64_t deadline_ms,
                     struct pg_sink_table *description, struct pg_sink_error *error);
void pg_sink_table_release(struct pg_sink_table *table); /* zeroed memory is fine */

/* Statements without parameters; of those with a result it is thrown away. */
int pg_sink_run(struct pg_sink *sink, const char *sql, int64_t deadline_ms, struct pg_sink_error *error);
/* One statement with one parameter, a text that ends with a NUL. */
int pg_sink_run_with(struct pg_sink *sink, const char *sql, const char *value, int64_t deadline_ms,
                     struct pg_sink_error *error);
/*
 * COMMIT. With PG_SINK_STATE it was rolled back. With PG_SINK_BROKEN and PG_SINK_TIMEOUT nobody knows: the
 * text says so.
 */
int pg_sink_commit(struct pg_sink *sink, int64_t deadline_ms, struct pg_sink_error *error);

/*
 * COPY ... FROM STDIN in text form, of one column: begin, lines, end. A line that fails ends the copy and
 * says what the server said. Backslashes and control characters are escaped here.
 */
int pg_sink_copy_begin(struct pg_sink *sink, const char *sql, int64_t deadline_ms,
                       struct pg_sink_error *error);
int pg_sink_copy_line(struct pg_sink *sink, const char *line, size_t size, int64_t deadline_ms,
                      struct pg_sink_error *error);
int pg_sink_copy_end(struct pg_sink *sink, int64_t deadline_ms, struct pg_sink_error *error);

/* An identifier in its quotes. */
void pg_sink_add_name(struct buf *sql, const char *name);

#endif
