/*
 * tool - see tool.h
 */
#include "catalog.h"
#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash.h"
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

static bool is_closed(int fd)
{
    return fcntl(fd, F_GETFD) < 0 && errno == EBADF;
}

/* A new descriptor takes the lowest number that is free: a socket that became 2 would get our messages. */
static int open_standard(struct fault *fault)
{
    bool no_output = is_closed(STDOUT_FILENO);

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (is_closed(fd) && open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY) < 0)
            return fault_errno(fault, errno, "cannot open /dev/null");
    return no_output ? fault_set(fault, FAULT_SYSTEM, "standard output is closed") : 0;
}

/* The settings, and what stderr looks like by them; each mistake has had its line. */
static int load_settings(struct tool *tool, bool service)
{
    const char *name = tool->options->tool;
    struct fault fault = {0};

    if (service)
        msg_open(name, true, NULL);
    tool->conf = conf_new();
    if (conf_load(tool->conf, tool_mistake, NULL, &fault) < 0)
        return fault_exit_code(fault.class);
    crash_arm(getenv("DIST_CRASH_AT"));
    msg_open(name, service, conf_text(tool->conf, "DIST_LOG_FORMAT"));
    apply_log_level(tool->conf);
    return 0;
}

bool tool_begin_without_folder(struct tool *tool, const struct tool_options *options, int argc, char **argv,
                               int *operands, const bool *service)
{
    struct fault fault = {0};

    *tool = (struct tool){.options = options};
    umask(umask(0) | 007); /* reports are nobody else's business; a stricter mask stays */
    fdio_ignore_sigpipe();
    json_set_alloc_funcs(xmalloc, free); /* out of memory ends the process there too */
    int standard = open_standard(&fault);
    msg_open(options->tool, false, NULL);
    enum options_result parsed =
        standard < 0 ? OPTIONS_FAULT : options_parse(options, argc, argv, operands, &fault);
    if (parsed == OPTIONS_FAULT)
        tool->exit_code = tool_end(tool, -1, &fault);
    if (parsed != OPTIONS_RUN)
        return false;
    tool->exit_code = load_settings(tool, service && *service);
    if (tool->exit_code != 0)
        tool_end(tool, 0, NULL);
    return tool->exit_code == 0;
}

bool tool_begin(struct tool *tool, const struct tool_options *options, int argc, char **argv, int *operands,
                const bool *service)
{
    struct fault fault = {0};

    if (!tool_begin_without_folder(tool, options, argc, argv, operands, service))
        return false;
    if (tool_folder(tool, &fault) == 0)
        return true;
    tool->exit_code = tool_end(tool, -1, &fault);
    return false;
}

int tool_folder(const struct tool *tool, struct fault *fault)
{
    const char *folder = conf_dir(tool->conf);
    struct stat status;

    if (!conf_dir_given(tool->conf) || stat(folder, &status) == 0 || errno != ENOENT)
        return 0;
    return fault_set(fault, FAULT_CONFIG, "DIST_CONFIG_DIR: %s: no such folder", folder);
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

static struct redis_config redis_settings(const struct tool *tool)
{
    const struct conf *conf = tool->conf;

    return (struct redis_config){
        .host = conf_text(conf, "REDIS_HOST"),
        .port = (int)conf_int(conf, "REDIS_PORT"),
        .user = conf_text(conf, "REDIS_USER"),
        .password = conf_text(conf, "REDIS_PASSWORD"),
        .database = (int)conf_int(conf, "REDIS_DB"),
        .timeout_ms = conf_duration_ms(conf, "DIST_SERVER_TIMEOUT"),
        .tls = conf_bool(conf, "REDIS_TLS"),
        .tls_ca_file = conf_text(conf, "REDIS_TLS_CA_FILE"),
        .tls_cert_file = conf_text(conf, "REDIS_TLS_CERT_FILE"),
        .tls_key_file = conf_text(conf, "REDIS_TLS_KEY_FILE"),
        .tls_server_name = conf_text(conf, "REDIS_TLS_SERVER_NAME"),
        .sentinels = conf_text(conf, "REDIS_SENTINELS"),
        .sentinel_master = conf_text(conf, "REDIS_SENTINEL_MASTER"),
        .sentinel_user = conf_text(conf, "REDIS_SENTINEL_USER"),
        .sentinel_password = conf_text(conf, "REDIS_SENTINEL_PASSWORD"),
        .cluster = conf_bool(conf, "REDIS_CLUSTER"),
    };
}

int tool_redis_check(const struct tool *tool, struct fault *fault)
{
    const struct redis_config config = redis_settings(tool);

    return redis_config_check(&config, fault);
}

struct redis *tool_redis(const struct tool *tool)
{
    const struct redis_config config = redis_settings(tool);

    return redis_new(&config);
}

static struct queue *queue_of(const struct tool *tool, const char *owner)
{
    return queue_new(tool_redis(tool), owner, (unsigned)conf_int(tool->conf, "DIST_PARTITIONS"));
}

struct queue *tool_queue_beside(const struct tool *tool, const struct queue *queue)
{
    return queue_of(tool, queue_owner(queue));
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
    struct queue *queue = queue_of(tool, owner);
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

/* A FIFO or a device in a form's place must not stop the process: hence O_NONBLOCK, and regular files only.
 */
int tool_read_regular(const char *path, struct buf *text, struct fault *fault)
{
    struct stat status;
    int fd = fdio_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, fault);
    int result;

    if (fd < 0)
        return -1;
    if (fstat(fd, &status) < 0)
        result = fault_errno(fault, errno, "cannot be examined");
    else if (!S_ISREG(status.st_mode))
        result = fault_set(fault, FAULT_INPUT, "is no regular file");
    else
        result = fdio_read_all(fd, text, fault);
    close(fd);
    return result == 0 ? 0 : fault_wrap(fault, "%s", path);
}

static void read_form(struct reading *reading, const char *folder, const char *file)
{
    struct fault fault = {0};
    struct buf text;
    char *path = xasprintf("%s/%s", folder, file);
    char *origin = xasprintf("destinations.d/%s", file);
    char *stem = xmemdupz(file, strlen(file) - strlen(".json"));

    buf_init(&text, LIMIT_CONFIG_FILE);
    if (tool_read_regular(path, &text, &fault) < 0) {
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

    reading.mistakes = tool_programs(tool, reading.catalog, mistake, arg);
    int count = scandir(folder, &entries, is_form, alphasort);
    if (count < 0 && errno != ENOENT) {
        fault_errno(&problem, errno, "cannot read %s", folder);
        note_mistake(&reading, &problem);
    } else if (count < 0 && tool_folder(tool, &problem) < 0) {
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
    if (!reading.mistakes && tool->examine)
        reading.mistakes = (int)tool->examine(tool->examine_arg, reading.catalog, mistake, arg);
    if (reading.mistakes) {
        fault_set(fault, FAULT_CONFIG, "%s has %d mistake%s", folder, reading.mistakes,
                  reading.mistakes == 1 ? "" : "s");
        catalog_free(reading.catalog);
        reading.catalog = NULL;
    }
    free(folder);
    return reading.catalog;
}
