/*
 * fault - why a function could not do its work, and what its caller does next
 *
 * A fallible function returns 0 or -1 and takes `struct fault *` as its last parameter. A fault is plain
 * memory that the caller owns: setting it cannot fail, and it needs no release. It may be NULL where the
 * caller does not want to know. A program's fault is not the outcome of a delivery: see model/outcome.h.
 */
#ifndef DIST_FAULT_H
#define DIST_FAULT_H

enum fault_class {
    FAULT_NONE,
    FAULT_USAGE,       /* the command line is wrong: say how to call it           exit 64 */
    FAULT_INPUT,       /* this record is wrong: reject it, go on with the next    exit 65 */
    FAULT_UNAVAILABLE, /* a server cannot be reached: reconnect, or give up       exit 69 */
    FAULT_BUG,         /* an invariant does not hold                              exit 70 */
    FAULT_SYSTEM,      /* the operating system refused                            exit 71 */
    FAULT_CLOSED,      /* nobody reads our output any more: end, quietly          exit 71 */
    FAULT_TEMP,        /* the same call may succeed later                         exit 75 */
    FAULT_DENIED,      /* the caller may not do this                              exit 77 */
    FAULT_CONFIG,      /* the configuration is wrong: an operator must mend it    exit 78 */
};

struct fault {
    enum fault_class class;
    char text[1000]; /* one line without its newline, UTF-8, no secret in it */
};

/* Sets class and text (cut at its size, never in the middle of a UTF-8 sequence). Always returns -1. */
int fault_set(struct fault *fault, enum fault_class class, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the text; the class and the first cause stay. Always returns -1. */
int fault_wrap(struct fault *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* fault_set() with ": " and the text of errno value `error` behind the message, class SYSTEM. */
int fault_errno(struct fault *fault, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void fault_clear(struct fault *fault);

/* The exit code of a class (sysexits); FAULT_NONE is 0. */
int fault_exit_code(enum fault_class class);

/* The class as a word for logs and JSON: "usage", "input", "unavailable", ... */
const char *fault_class_name(enum fault_class class);

#endif
