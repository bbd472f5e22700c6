/*
 * sqlstate - a SQLSTATE as the number that tables of outcomes are searched by (outcomes_jdbc.c)
 */
#ifndef DIST_SQLSTATE_H
#define DIST_SQLSTATE_H

/* Five digits and capital letters as a number of base 36, so that a class is a range; -1 for anything
 * else, which no row is for. */
int sqlstate_code(const char *state);
/* What is shown and stored as the code of an attempt: the digits as they are read, 23505; 0 where a letter is
 * among them. */
int sqlstate_number(const char *state);

#endif
