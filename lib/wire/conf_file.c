/*
 * conf_file - see conf_file.h
 *
 * A line is taken apart in place. The one hard rule: a mistake never quotes a value, nor a line that could
 * not be taken apart and so may be anything.
 */
#include "conf_file.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "secret.h"
#include "text.h"

enum { FILE_MAX = 256 * 1024 };

static void wrong(const struct conf_file_visitor *visitor, const char *origin, const char *what)
{
    struct fault fault;

    fault_set(&fault, FAULT_CONFIG, "%s: %s", origin, what);
    visitor->mistake(visitor->arg, &fault);
}

/* What is between quotes, in place. */
static int unquote(char *value, struct fault *fault)
{
    char quote = *value, *out = value, *in = value + 1;

    for (; *in && *in != quote; in++) {
        if (quote == '"' && *in == '\\' && in[1] != '\0' && strchr("\"\\`$", in[1]))
            in++;
        *out++ = *in;
    }
    if (*in == '\0')
        return fault_set(fault, FAULT_CONFIG, "the closing %c is missing", quote);
    in++;
    if (in[strspn(in, " \t")] != '\0')
        return fault_set(fault, FAULT_CONFIG, "there is text behind the closing %c", quote);
    *out = '\0';
    return 0;
}

/* A value as it is written, blanks around it cut off, to what it means, in place. */
static int unescape(char *value, struct fault *fault)
{
    char *out = value;

    if (*value == '\'' || *value == '"')
        return unquote(value, fault);
    if (text_starts_with(value, "${") || text_starts_with(value, "$("))
        return fault_set(fault, FAULT_CONFIG,
                         "nothing expands a value with '$'; put it in '...' if it is meant so");
    for (char *in = value; *in; in++) {
        if (*in == '#' && in > value && (in[-1] == ' ' || in[-1] == '\t'))
            return fault_set(fault, FAULT_CONFIG,
                             "a comment has a line of its own; put a value with '#' in quotes");
        if (*in == '\\' && *++in == '\0')
            return fault_set(fault, FAULT_CONFIG, "a line cannot be continued");
        *out++ = *in;
    }
    *out = '\0';
    return 0;
}

static bool is_key(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isascii((unsigned char)*c) ||
            (!isalpha((unsigned char)*c) && *c != '_' && !(c > name && isdigit((unsigned char)*c))))
            return false;
    return *name != '\0';
}

static void read_pair(const struct conf_file_visitor *visitor, const char *origin, const char *name,
                      char *value)
{
    struct fault fault;

    if (unescape(value, &fault) == 0) {
        visitor->pair(visitor->arg, origin, name, value);
        return;
    }
    fault_wrap(&fault, "%s: %s", origin, name);
    visitor->mistake(visitor->arg, &fault);
}

static void read_line(const struct conf_file_visitor *visitor, char *line, unsigned number)
{
    char origin[sizeof("dist.conf:4294967295")];
    char *name, *equals;
    size_t size = strlen(line);

    (void)snprintf(origin, sizeof(origin), "dist.conf:%u", number);
    if (size > 0 && line[size - 1] == '\r')
        line[--size] = '\0';
    if (!text_is_utf8(line, size, NULL)) {
        wrong(visitor, origin, "not UTF-8");
        return;
    }
    name = text_trim(line);
    if (*name == '\0')
        return;
    if (*name == '#' || *name == ';') {
        if (name[strlen(name) - 1] ==
            '\\') /* some versions of systemd skip the next line then, some do not */
            wrong(visitor, origin, "a comment must not end with a backslash");
        return;
    }
    equals = strchr(name, '=');
    if (equals)
        *equals = '\0';
    if (equals && is_key(text_trim(name)))
        read_pair(visitor, origin, text_trim(name), text_trim(equals + 1));
    else
        wrong(visitor, origin, "not of the form NAME=VALUE");
}

static void read_lines(const struct conf_file_visitor *visitor, char *text)
{
    unsigned number = 1;

    for (char *line = text; line; number++) {
        char *end = strchr(line, '\n');

        if (end)
            *end = '\0';
        read_line(visitor, line, number);
        line = end ? end + 1 : NULL;
    }
}

/* The descriptor of dist.conf, a regular file; -1 where there is none, or a mistake was told. */
static int open_file(const char *dir, const struct conf_file_visitor *visitor, struct stat *status)
{
    struct fault fault;
    int folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

    if (folder < 0) {
        if (errno != ENOENT) {
            fault_set(&fault, FAULT_CONFIG, "%s: cannot be opened: %s", dir, strerror(errno));
            visitor->mistake(visitor->arg, &fault);
        }
        return -1;
    }
    /* O_NONBLOCK: a FIFO of that name must not stop the process. */
    fd = openat(folder, "dist.conf", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT) {
        fault_set(&fault, FAULT_CONFIG, "dist.conf: cannot be opened: %s", strerror(errno));
        visitor->mistake(visitor->arg, &fault);
    }
    close(folder);
    if (fd >= 0 && (fstat(fd, status) != 0 || !S_ISREG(status->st_mode))) {
        wrong(visitor, "dist.conf", "is not a regular file");
        close(fd);
        return -1;
    }
    return fd;
}

mode_t conf_file_read(const char *dir, const struct conf_file_visitor *visitor)
{
    struct stat status;
    struct fault fault;
    char *text = NULL;
    size_t size;
    int fd = open_file(dir, visitor, &status);

    if (fd < 0)
        return 0;
    if (secret_read_fd(fd, FILE_MAX, &text, &fault) == 0) {
        size = strlen(text);
        read_lines(visitor, text);
        explicit_bzero(text, size);
    } else {
        fault_wrap(&fault, "dist.conf");
        fault.class = FAULT_CONFIG;
        visitor->mistake(visitor->arg, &fault);
        status.st_mode = 0;
    }
    free(text);
    close(fd);
    return status.st_mode;
}
