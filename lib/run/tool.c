/*
 * tool - see tool.h
 */
#include "catalog.h"
#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdio.h"
#include "ceilings.h"
#include "msg.h"
#include "rng.h"
#include "text.h"
#include "xalloc.h"

void tool_mistake(void *arg, const char *text)
{
    (void)arg;
    msg(MSG_ERROR, "%s", text);
}

static void apply_log_level(const struct conf *conf)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    const char *level = conf_text(conf, "DIST_LOG_LEVEL");
    for (size_t i = 0; level && i < sizeof names / sizeof *names; i++)
        if (!strcmp(level, names[i]))
            msg_set_level((enum msg_level)i);
}

bool tool_begin(struct tool *tool, const struct tool_options *options, int argc, char **argv, int *operands,
                const bool *service)
{
    struct fault fault = {0};

    *tool = (struct tool){.options = options};
    umask(umask(0) | 007); /* reports are nobody else's business; a stricter mask stays */
    fdio_ignore_sigpipe();
    json_set_alloc_funcs(xmalloc, free); /* out of memory ends the process there too */
    msg_open(options->tool, false);
    switch (options_parse(options, argc, argv, operands, &fault)) {
    case OPTIONS_DONE:
        return false;
    case OPTIONS_FAULT:
        tool->exit_code = tool_end(tool, -1, &fault);
        return false;
    case OPTIONS_RUN:
        break;
    }
    if (service && *service)
        msg_open(options->tool, true);
    tool->conf = conf_new();
    if (conf_load(tool->conf, tool_mistake, NULL, &fault) < 0) {
        tool->exit_code = fault_exit_code(fault.class); /* each mistake has had its line */
        options_release(options);
        conf_free(tool->conf);
        return false;
    }
    apply_log_level(tool->conf);
    return true;
}

int tool_end(struct tool *tool, int result, const struct fault *fault)
{
    if (result < 0) {
        if (fault->class != FAULT_CLOSED)
            msg_fault(fault);
        result = fault_exit_code(fault->class);
    }
    options_release(tool->options);
    conf_free(tool->conf);
    return result;
}

int tool_usage(const struct tool *tool, struct fault *fault, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return fault_set(fault, FAULT_USAGE, "%s; see '%s -h'", text, tool->options->tool);
}

struct store *tool_store(const struct tool *tool)
{
    const struct conf *conf = tool->conf;
    struct pg_config config = {
        .host = conf_text(conf, "DB_HOST"),
        .port = (int)conf_int(conf, "DB_PORT"),
        .database = conf_text(conf, "DB_NAME"),
        .user = conf_text(conf, "DB_USER"),
        .password = conf_text(conf, "DB_PASSWORD"),
        .sslmode = conf_text(conf, "DB_SSLMODE"),
        .application = tool->options->tool,
        .timeout_ms = conf_duration_ms(conf, "DIST_SERVER_TIMEOUT"),
    };
    return store_new(&config);
}

struct redis *tool_redis(const struct tool *tool)
{
    const struct conf *conf = tool->conf;
    struct redis_config config = {
        .host = conf_text(conf, "REDIS_HOST"),
        .port = (int)conf_int(conf, "REDIS_PORT"),
        .user = conf_text(conf, "REDIS_USER"),
        .password = conf_text(conf, "REDIS_PASSWORD"),
        .database = (int)conf_int(conf, "REDIS_DB"),
        .timeout_ms = conf_duration_ms(conf, "DIST_SERVER_TIMEOUT"),
    };
    return redis_new(&config);
}

struct queue *tool_queue(const struct tool *tool)
{
    char host[65] = "";
    unsigned char letters[4];
    char hex[2 * sizeof letters + 1];

    if (gethostname(host, sizeof host - 1) < 0 || !*host)
        text_copy(host, sizeof host, "localhost");
    rng_bytes(letters, sizeof letters);
    text_hex(letters, sizeof letters, hex);
    char *owner = xasprintf("%s:%ld:%s", host, (long)getpid(), hex);
    struct queue *queue = queue_new(tool_redis(tool), owner);
    free(owner);
    return queue;
}

struct reading {
    struct catalog *catalog;
    void (*mistake)(void *arg, const char *text);
    void *arg;
    int mistakes;
};

static void note_mistake(struct reading *reading, const struct fault *fault)
{
    reading->mistake(reading->arg, fault->text);
    reading->mistakes++;
}

static void read_form(struct reading *reading, const char *folder, const char *file)
{
    struct fault fault = {0};
    struct buf text;
    char *path = xasprintf("%s/%s", folder, file);
    char *origin = xasprintf("destinations.d/%s", file);
    char *stem = xmemdupz(file, strlen(file) - strlen(".json"));

    buf_init(&text, LIMIT_CONFIG_FILE);
    if (fdio_read_file(path, LIMIT_CONFIG_FILE, &text, &fault) < 0) {
        note_mistake(reading, &fault);
    } else if (catalog_add(reading->catalog, text.data, text.len, stem, origin, &fault) < 0) {
        fault_wrap(&fault, "%s", path);
        note_mistake(reading, &fault);
    }
    buf_release(&text);
    free(stem);
    free(origin);
    free(path);
}

static int is_form(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return entry->d_name[0] != '.' && size > 5 && !strcmp(entry->d_name + size - 5, ".json");
}

struct catalog *tool_catalog(const struct tool *tool, void (*mistake)(void *arg, const char *text), void *arg,
                             struct fault *fault)
{
    char *folder = xasprintf("%s/destinations.d", conf_dir(tool->conf));
    struct dirent **entries = NULL;
    struct reading reading = {.catalog = catalog_new(), .mistake = mistake, .arg = arg};
    struct fault problem = {0};

    int count = scandir(folder, &entries, is_form, alphasort);
    if (count < 0 && errno != ENOENT) {
        fault_errno(&problem, errno, "cannot read %s", folder);
        note_mistake(&reading, &problem);
    }
    for (int i = 0; i < count; i++) {
        read_form(&reading, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (!reading.mistakes && catalog_check(reading.catalog, &problem) < 0) {
        fault_wrap(&problem, "%s", folder);
        note_mistake(&reading, &problem);
    }
    if (reading.mistakes) {
        fault_set(fault, FAULT_CONFIG, "%s has %d mistake%s", folder, reading.mistakes,
                  reading.mistakes == 1 ? "" : "s");
        catalog_free(reading.catalog);
        reading.catalog = NULL;
    }
    free(folder);
    return reading.catalog;
}
