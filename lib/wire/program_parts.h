/*
 * program_parts - what the parent and its worker say to each other; for program.c and program_child.c
 *
 * A request is a header and `size` bytes; all but PROGRAM_DROP are answered by a header and `size` bytes.
 */
#ifndef DIST_PROGRAM_PARTS_H
#define DIST_PROGRAM_PARTS_H

#include <stdint.h>
#include <stddef.h>

enum {
    PROGRAM_CHECK = 1,   /* text of a program: its mistakes in jq's own words; then as PROGRAM_COMPILE */
    PROGRAM_COMPILE = 2, /* text of a program, to be run in `slot` */
    PROGRAM_RUN = 3,     /* [tenant, distribution, destination, input] */
    PROGRAM_DROP = 4,    /* nothing; no answer */
};
struct program_request {
    uint32_t what, slot;
    uint32_t as_array;     /* enum program_results */
    uint32_t seconds;      /* of CPU that the worker may use for it, where nobody kills it */
    uint64_t memory_bytes; /* likewise */
    uint64_t max_output;
    uint64_t size;
};

enum {
    PROGRAM_DONE,    /* the result */
    PROGRAM_MISTAKE, /* text: the program cannot be compiled */
    PROGRAM_FAILED,  /* text: it ended with an error */
    PROGRAM_TOO_LARGE,
    PROGRAM_COUNT,     /* text: how many results there were, in place of one */
    PROGRAM_NO_MEMORY, /* nothing: it ends now */
    PROGRAM_ANSWERS
};
struct program_answer {
    uint32_t what, unused;
    uint64_t data_bytes; /* of the worker's memory, afterwards */
    uint64_t size;
};

enum {
    PROGRAM_TEXT_SHOWN = 800, /* bytes of a message */
    PROGRAM_EXIT_MEMORY = 71, /* as xalloc's */
    PROGRAM_EXIT_START = 70,  /* the worker could not be set up */
};

/* The worker's life, in the child, until the socket ends. */
_Noreturn void program_child(int socket);

#endif
