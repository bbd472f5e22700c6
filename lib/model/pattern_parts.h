/*
 * pattern_parts - what a pattern is made of; inside of pattern.c and its pattern_*.c
 */
#ifndef DIST_PATTERN_PARTS_H
#define DIST_PATTERN_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "fault.h"

struct pattern_test;

/* A form while it is read. */
struct pattern_reader {
    struct buf path; /* JSON pointer of what is being read */
    const char *const *members;
    size_t depth, tests;
    struct fault *fault;
    void (*report)(void *arg, const struct fault *mistake); /* NULL: the first mistake ends it */
    void *arg;
    size_t mistakes;
};
__attribute__((format(printf, 2, 3))) int pattern_fail(const struct pattern_reader *reader,
                                                       const char *format, ...);

struct pattern_operator {
    const char *name;
    /* The operand into `test`, which is zeroed and has the operator. -1 with the fault set. */
    int (*read)(struct pattern_reader *reader, const json_t *operand, struct pattern_test *test);
    /* `value` is a text, number, true, false or null. NULL: exists, which is asked by the matcher. */
    bool (*holds)(const struct pattern_test *test, const json_t *value);
    bool negatable; /* may stand in anything-but */
};
extern const struct pattern_operator pattern_exact, pattern_exists;

struct pattern_bound {
    const json_t *number; /* NULL: none */
    bool inclusive;
};

/* One alternative. */
struct pattern_test {
    const struct pattern_operator *operator;
    const json_t *operand; /* borrowed from the form */
    bool there;            /* exists */
    bool fold;             /* prefix, suffix: without regard to case */
    const char *text;      /* prefix, suffix, equals-ignore-case: borrowed */
    size_t size;
    char *pieces;        /* wildcard: what stands between the stars, one behind the other; owned */
    size_t *piece_sizes; /* of count + 1 stars; owned */
    size_t count;        /* wildcard: pieces; anything-but: tests */
    struct pattern_bound low, high;
    struct pattern_test *but; /* anything-but: none of these; owned */
    unsigned char address[16];
    int address_size, bits; /* cidr */
};

/* One alternative of a leaf; -1 with the fault set, and nothing to release. */
int pattern_test_read(struct pattern_reader *reader, const json_t *form, struct pattern_test *test);
void pattern_test_release(struct pattern_test *test);
bool pattern_is_operator(const char *name);
/* -1, 0 or 1; exact also between whole and real numbers. */
int pattern_compare_numbers(const json_t *a, const json_t *b);

enum pattern_kind {
    PATTERN_FIELDS, /* all parts, each asked of its member of the value */
    PATTERN_AND,    /* all parts, of the same value */
    PATTERN_OR,     /* one part, of the same value */
    PATTERN_LEAF,   /* one test */
};
struct pattern_part {
    enum pattern_kind kind;
    const char *name;   /* as a part of FIELDS: the member; NULL for $or and $and. Borrowed from the form */
    const json_t *form; /* what it was read from; borrowed */
    size_t count;
    struct pattern_part *parts;
    struct pattern_test *tests; /* of a leaf */
};
struct pattern {
    json_t *form;
    struct pattern_part root; /* FIELDS; with none it matches everything */
};

/* Appends "/name", escaped as RFC 6901 has it. */
void pattern_path_add(struct buf *path, const char *name);

#endif
