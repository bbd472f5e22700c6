/*
 * pace - hand lines on at a steady rate, so that what reads them is loaded and not flooded
 *
 *     pace RATE < lines | dist-submit --ndjson ...
 *
 * Line i belongs to the instant start + i/RATE. Every 10 ms those whose instant has come are written in one
 * go; the instants are fixed at the start, so a reader that was slow for a while gets what it missed at once,
 * and the rate over the whole run holds. At the end one line on stderr says what became of the schedule:
 *
 *     lines=10000 seconds=10.001 late_ms=4
 *
 * late_ms is the longest that a write was behind its instant: a reader that keeps up leaves it near 0.
 *
 * Exit status: 0 all was written; 1 a read or a write failed; 64 usage.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RATE_MAX = 1000 * 1000, BUFFER_BYTES = 1 << 20 };

#define NS_PER_S INT64_C(1000000000)
#define TICK_NS INT64_C(10000000)

struct pace {
    int64_t rate; /* lines a second */
    int64_t start_ns;
    int64_t lines;
    int64_t late_ns;
    char *line; /* the one that was read last */
    size_t room;
};

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void sleep_until(int64_t at_ns)
{
    const struct timespec at = {.tv_sec = at_ns / NS_PER_S, .tv_nsec = at_ns % NS_PER_S};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}

/* Writes until `due` lines have gone. 1: there are no more; -1 with errno. */
static int hand_on(struct pace *pace, int64_t due)
{
    while (pace->lines < due) {
        ssize_t size = getline(&pace->line, &pace->room, stdin);

        if (size < 0)
            return ferror(stdin) || fflush(stdout) ? -1 : 1;
        if (fwrite(pace->line, 1, (size_t)size, stdout) != (size_t)size)
            return -1;
        pace->lines++;
    }
    return fflush(stdout) ? -1 : 0;
}

/* Where the reader was slow the ticks that have gone by meanwhile are done as one. */
static int run(struct pace *pace)
{
    int64_t at_ns = pace->start_ns;
    int result = 0;

    while (result == 0) {
        at_ns += TICK_NS;
        sleep_until(at_ns);
        result = hand_on(pace, (at_ns - pace->start_ns) * pace->rate / NS_PER_S);
        int64_t late_ns = now_ns() - at_ns;
        if (late_ns > pace->late_ns)
            pace->late_ns = late_ns;
    }
    return result < 0 ? -1 : 0;
}

static int64_t parse_rate(int argc, char **argv)
{
    char *end;

    if (argc != 2)
        return -1;
    errno = 0;
    long rate = strtol(argv[1], &end, 10);
    return errno || end == argv[1] || *end || rate < 1 || rate > RATE_MAX ? -1 : rate;
}

int main(int argc, char **argv)
{
    struct pace pace = {.rate = parse_rate(argc, argv), .start_ns = now_ns()};

    if (pace.rate < 0) {
        fprintf(stderr, "usage: pace RATE < lines    (lines a second, 1 to %d)\n", RATE_MAX);
        return 64;
    }
    setvbuf(stdout, NULL, _IOFBF, BUFFER_BYTES);
    int result = run(&pace);
    if (result < 0)
        perror("pace");
    free(pace.line);
    int64_t took_ns = now_ns() - pace.start_ns;
    fprintf(stderr, "lines=%" PRId64 " seconds=%.3f late_ms=%" PRId64 "\n", pace.lines,
            (double)took_ns / (double)NS_PER_S, pace.late_ns / 1000000);
    return result < 0;
}
