/*
 * conf_file - the lines of dist.conf
 *
 * dist.conf is NAME=VALUE per line: a subset of what systemd's EnvironmentFile= reads (systemd.exec(5)), so
 * that one file may serve both and never means two things. '#' or ';' begins a comment at the start of a line
 * only. A value is plain (blanks at its ends are cut off, a backslash makes the next character plain), in
 * '...' (all plain), or in "..." (a backslash before " \ ` $ makes them plain). What systemd joins (lines
 * ended by a backslash, text behind a closing quote) is a mistake here, and so are a '#' behind a blank in a
 * plain value, and a plain value that begins with ${ or $(, which nothing expands.
 *
 * What the names mean is for conf.h; here a name is [A-Za-z_][A-Za-z0-9_]*.
 */
#ifndef DIST_CONF_FILE_H
#define DIST_CONF_FILE_H

#include <sys/types.h>
#include "fault.h"

struct conf_file_visitor {
    /* A line that could be taken apart; `origin` is "dist.conf:12". All are borrowed for the call. */
    void (*pair)(void *arg, const char *origin, const char *name, const char *value);
    /* A mistake, class CONFIG: "dist.conf:12: not of the form NAME=VALUE". It quotes no line and no value. */
    void (*mistake)(void *arg, const struct fault *fault);
    void *arg;
};

/*
 * Visits every line of <dir>/dist.conf, a regular file of at most 256 KiB. The file's mode; 0 where there is
 * none, which is no mistake, or where it could not be read, which is one. Its text is wiped. Blocks on files.
 */
mode_t conf_file_read(const char *dir, const struct conf_file_visitor *visitor);

#endif
