/*
 * pg_message - what PostgreSQL and libpq say, made fit for one line
 */
#ifndef DIST_PG_MESSAGE_H
#define DIST_PG_MESSAGE_H

enum { PG_LINE_SIZE = 600, PG_STATE_SIZE = 6 };

/* The first line of a message, printable, without blanks around it. NULL is "". */
const char *pg_first_line(const char *message, char out[PG_LINE_SIZE]);
/*
 * The SQLSTATE in a verbose message of libpq, "... FATAL:  28P01: password authentication failed ...", which
 * is the only way to one while connecting (PQERRORS_VERBOSE). It is cut out of the message; "" where there is
 * none.
 */
const char *pg_state_in_message(char *message, char state[PG_STATE_SIZE]);

#endif
