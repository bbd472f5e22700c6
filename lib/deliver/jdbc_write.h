/*
 * jdbc_write - the rows of many deliveries in one transaction, of which a bad one spoils none but itself
 *
 * All rows of equal columns are one INSERT. Where the server says no, and not by a state that passes by
 * itself, the deliveries are halved below a savepoint until the one that is to blame is alone, and has its
 * own outcome, rejected or deferred; the others are written. Where it is the COMMIT that is refused (a
 * constraint that is deferred), each delivery gets a transaction of its own. Conflicts with others (class 40)
 * are tried again at once a few times. Many rows go into a temporary table by COPY first.
 */
#ifndef DIST_JDBC_WRITE_H
#define DIST_JDBC_WRITE_H

#include "jdbc_rows.h"

struct jdbc_part {
    struct errand *errand; /* NULL: it has its outcome */
    struct jdbc_rows rows;
};

struct jdbc_writer {
    struct pg_sink *sink;
    const struct jdbc *jdbc;
    const struct jdbc_sets *sets;
    struct jdbc_part *parts;
    int64_t deadline_ms;
    struct pg_sink_error error;
    bool began; /* of the last transaction: rows may have been sent */
};

/*
 * The parts first .. first + count - 1. Each gets its outcome, and 0 is returned; or -1: the connection is of
 * no use any more, why is in writer->error, and some may have none.
 */
int jdbc_write(struct jdbc_writer *writer, size_t first, size_t count);

/*
 * What the state in `error` means where it came before any row was sent: no report is to blame, so what would
 * reject one (a trigger on logins that raises) is a connection that was refused.
 */
const struct answer *jdbc_row_before(const struct pg_sink_error *error);
void jdbc_set_before(struct errand *errand, const struct pg_sink_error *error);

#endif
