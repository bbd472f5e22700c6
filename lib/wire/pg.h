/*
 * pg - one connection to PostgreSQL (libpq): statements with parameters, deadlines, reconnection
 *
 * Blocking up to a deadline; a connection that hangs past it is closed. (Looking a host name up is the system
 * resolver's and may take longer.) Values go as parameters only. Every call connects where there is no
 * connection, except within a transaction.
 *
 * Faults: UNAVAILABLE (text names server and address) where the connection cannot be made or broke, or the
 * server says that it will (SQLSTATE 08*, 57P0*, 25P03), TEMP for what may pass (25006, 40*, 53*, 55P03, 57*,
 * 58*, XX*), INPUT for class 22, 23 and 54, DENIED for 42501, CONFIG
 * for 28*, 3D000 and a missing table (42P01: "run dist-admin migrate"), BUG for the rest. After UNAVAILABLE
 * nothing is known about the statement: it may have been committed. Texts are the address and the server's
 * primary message, one line; never a password or a parameter.
 */
#ifndef DIST_PG_H
#define DIST_PG_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "fault.h"

struct pg_config {
    const char *host; /* a name, an address, or the folder of a unix socket */
    int port;         /* 0: 5432 */
    const char *database, *user;
    const char *password;    /* or NULL; never in a message */
    const char *sslmode;     /* or NULL: libpq's default */
    const char *application; /* what pg_stat_activity shows */
    int64_t timeout_ms;      /* of connecting, and of each call; the server's statement_timeout too */
};

struct pg;
struct pg *pg_new(const struct pg_config *config); /* copies; does not connect */
void pg_free(struct pg *pg);
const char *pg_address(const struct pg *pg);        /* "PostgreSQL at /run/postgresql:5432 (database dist)" */
int pg_connect(struct pg *pg, struct fault *fault); /* a no-op while connected */
void pg_close(struct pg *pg);
bool pg_is_connected(const struct pg *pg);
/* Counts connections: it differs where what was known about the session (its server, its schema) may not
 * hold. */
unsigned pg_generation(const struct pg *pg);
PGconn *pg_connection(struct pg *pg); /* borrowed, for escaping; NULL while closed */
/* The SQLSTATE of the last statement that failed; "" where the server said none. */
const char *pg_sqlstate(const struct pg *pg);
/* Another deadline for the calls from now on, here only (SET LOCAL statement_timeout is the caller's); 0: the
 * configured one. For migrations. */
void pg_set_timeout(struct pg *pg, int64_t timeout_ms);

/* The results of the calls from now on, on this connection, have so many bytes: deadline and
 * statement_timeout grow by a second a megabyte, so that a slow link does not break off what it can carry. 0:
 * as configured again. Nothing is sent for less than a megabyte. */
int pg_expect_bytes(struct pg *pg, uint64_t bytes, struct fault *fault);

/* Parameters in text or binary form. */
enum { PG_PARAMS_MAX = 40 };
struct pg_params {
    int count;
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
    int formats[PG_PARAMS_MAX];
    char scratch[PG_PARAMS_MAX][24]; /* of numbers */
};
void pg_params_init(struct pg_params *params);
void pg_param_text(struct pg_params *params, const char *text); /* borrowed; NULL is SQL's NULL */
/* Binary bytea, borrowed; at most INT_MAX bytes. NULL with size 0 is the empty string of bytes. */
void pg_param_bytes(struct pg_params *params, const void *data, size_t size);
void pg_param_int(struct pg_params *params, int64_t number);
void pg_param_bool(struct pg_params *params, bool value);
/* Microseconds since 1970 as a number: write dist_time($n::bigint) (sql/0001-init.sql); 0 is NULL. */
void pg_param_time(struct pg_params *params, int64_t wall_us);

/* Text results; the caller's for PQclear(); NULL on a fault. `params` may be NULL. pg_prepared() prepares on
 * first use; a name stands for one text always. */
PGresult *pg_query(struct pg *pg, const char *sql, const struct pg_params *params, struct fault *fault);
PGresult *pg_prepared(struct pg *pg, const char *name, const char *sql, const struct pg_params *params,
                      struct fault *fault);
/* A prepared statement with results in binary form: for bytea columns. */
PGresult *pg_prepared_binary(struct pg *pg, const char *name, const char *sql, const struct pg_params *params,
                             struct fault *fault);
/* Several statements without parameters or results: migrations. */
int pg_script(struct pg *pg, const char *sql, struct fault *fault);

int pg_begin(struct pg *pg, struct fault *fault);
/* One snapshot for several reads. */
int pg_begin_read(struct pg *pg, struct fault *fault);
int pg_commit(struct pg *pg, struct fault *fault);
void pg_rollback(struct pg *pg); /* closes the connection where that fails; a no-op outside a transaction */

/*
 * One prepared statement for many rows in one round trip (pipeline mode), inside a transaction of its own.
 * For each row `row` fills the parameters, whose memory stays until the call of the next row, or fails, which
 * ends the transaction and the connection; `done` gets its result, in order, before it is known whether the
 * transaction commits: only what the function returns tells that. Where a row fails, everything is rolled
 * back, `failed` is its index and the fault its reason; `failed` is `rows` where no row is to blame. The
 * deadline starts again with every result.
 */
int pg_pipeline(struct pg *pg, const char *name, const char *sql, size_t rows,
                int (*row)(void *arg, size_t index, struct pg_params *params, struct fault *fault),
                void (*done)(void *arg, size_t index, const PGresult *result), void *arg, size_t *failed,
                struct fault *fault);

/*
 * Arrays as parameters, in binary form: what is cast to $n::uuid[] in the statement is made with PG_UUID, and
 * so on; another type is refused by the server (BUG). Add element by element, then pg_param_array().
 *
 * A text that is no UUID in an array of them, or a number that an integer does not hold, goes as an element
 * that the server refuses (INPUT), as it refuses bytes that are not UTF-8 and JSON that is none: so a row
 * that cannot be stored is told from the others in one way. Adding to an array what its type is not made of
 * aborts.
 */
/* The OIDs of pg_type, which never change. */
enum pg_type {
    PG_BOOLEAN = 16,
    PG_BYTEA = 17,
    PG_BIGINT = 20,
    PG_INTEGER = 23,
    PG_TEXT = 25,
    PG_JSON = 114,
    PG_VARCHAR = 1043,
    PG_UUID = 2950,
    PG_JSONB = 3802,
};
struct pg_array {
    struct buf wire;
    enum pg_type type;
    size_t count; /* of elements */
    bool nulls;   /* one of them is NULL */
};
/* Room for so many bytes, INT_MAX at most: twenty for the header, and for each element four and its own. */
void pg_array_init(struct pg_array *array, enum pg_type type, size_t max_bytes);
void pg_array_release(struct pg_array *array); /* zeroed memory is fine */
/* To texts, JSON in both forms, and UUIDs in their text form. NULL is SQL's NULL. */
void pg_array_add(struct pg_array *array, const char *text);
void pg_array_add_int(struct pg_array *array, int64_t number);     /* to integers of both sizes */
void pg_array_add_nonzero(struct pg_array *array, int64_t number); /* 0 is NULL */
void pg_array_add_bool(struct pg_array *array, bool value);
void pg_array_add_bytes(struct pg_array *array, const void *data, size_t size);
/* Borrows the array; BUG where it had no room. It may be a parameter of several statements. */
int pg_param_array(struct pg_params *params, struct pg_array *array, struct fault *fault);

/* Reading results in text form. */
bool pg_null(const PGresult *result, int row, int column);
const char *pg_text(const PGresult *result, int row, int column); /* "" where NULL */
char *pg_text_copy(const PGresult *result, int row, int column);  /* NULL where NULL; the caller's */
int64_t pg_int(const PGresult *result, int row, int column);      /* 0 where NULL */
bool pg_bool(const PGresult *result, int row, int column);        /* false where NULL */

#endif
