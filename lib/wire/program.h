/*
 * program - jq programs (libjq 1.6), each run bounded in time, memory and output
 *
 * libjq cannot be interrupted and ends its process when memory is short, so programs run in a worker: a child
 * made by fork(2), without exec, that reads values from a socket and answers with results. It has an empty
 * environment, no descriptor but the socket, /dev/null and its own size (/proc/self/statm), no descriptors to
 * open any other with, the time zone UTC, and system calls for memory and time alone (program_filter.h). The
 * parent kills it where a run takes too long. A worker that is gone, for whatever reason, is replaced at the
 * next call, and programs are compiled again there when they are next run.
 *
 * A program sees its input, $tenant, $distribution, $destination and jq's builtins, of which some differ:
 *
 *   env, $ENV                  are empty
 *   input, inputs              have nothing
 *   import, include            find no module
 *   input_filename             is null
 *   debug, stderr              tell nobody
 *   now                        is an error: a retry must give the same bytes
 *   halt                       ends the results; a try around it catches that
 *   halt_error                 is an error with its text
 *   error(null)                is an error with the text "null"
 *
 * (halt is not libjq's own, which frees memory twice.)
 *
 * One struct programs has one worker and is used by one thread at a time. It is cheapest made before the
 * process is large. The fork is safe beside other threads as far as glibc's allocator and stdio are. All
 * calls block, for as long as the limits say at most.
 */
#ifndef DIST_PROGRAM_H
#define DIST_PROGRAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "buf.h"
#include "fault.h"

enum {
    PROGRAM_TEXT_MAX = 256 * 1024, /* bytes of a program */
    PROGRAM_RUN_MS = 1000,
    PROGRAM_COMPILE_MS = 10000, /* most of a compilation is jq's own builtins: 25 ms on an idle machine */
    PROGRAM_MEMORY = 256 * 1024 * 1024,
    PROGRAM_INPUT_MAX = 512 * 1024 * 1024, /* more than that cannot be set */
};

struct program_limits {
    int64_t run_ms, compile_ms;
    uint64_t memory_bytes; /* that a run may take, its input included */
    size_t max_input;      /* at most PROGRAM_INPUT_MAX */
};
extern const struct program_limits program_limits_default;

/* How many results a program has. */
enum program_results {
    PROGRAM_ONE,  /* exactly one, else it is refused */
    PROGRAM_ARRAY /* any number, as an array */
};

struct programs;
struct program;

/* No worker is started before it is needed. */
struct programs *programs_new(const struct program_limits *limits);
/* Ends the worker; all programs must have been freed. NULL is fine. */
void programs_free(struct programs *programs);
/* The worker's process, or 0: for tests and logs. */
pid_t programs_worker(const struct programs *programs);

/*
 * `text` is copied. NULL with the fault set: class INPUT for what is wrong with the program, in jq's words
 * ("syntax error, unexpected $end at line 1"), SYSTEM where there can be no worker, TEMP where it was ended
 * from outside.
 */
struct program *program_compile(struct programs *programs, const char *text, size_t size,
                                enum program_results results, struct fault *fault);
void program_free(struct program *program);

/* What the program knows as variables; NULL is null. Nothing here may change from one attempt to the next. */
struct program_variables {
    const char *tenant, *distribution, *destination;
};

/*
 * One run on `input`, a JSON text that json_check() took (borrowed). Appends the result's JSON text to
 * `output`, whose ceiling bounds it; a result may still hold what json_read() refuses, as \u0000.
 *
 * -1, and `output` as it was. Class INPUT, which is for this report alone: the program failed, with its
 * message; has not one result; "the program ran longer than 1000 ms"; "the program needed more than 256 MiB";
 * the result is larger than `output` may be; jq crashed; or the input has a whole number, or one
 * past 1.8e308, that jq, which has doubles alone, would change in silence. TEMP: the worker was ended from
 * outside, try again; by SIGKILL a second time on the same input, it is INPUT. SYSTEM: there can be no
 * worker.
 */
int program_run(struct program *program, const struct program_variables *variables, const char *input,
                size_t size, struct buf *output, struct fault *fault);

#endif
