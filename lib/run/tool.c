/*
 * tool - see tool.h
 */
#include "catalog.h"
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_files.h"
#include "file_owner.h"
#include "crash.h"
#include "fdio.h"
#include "ceilings.h"
#include "msg.h"
#include "notify.h"
#include "rng.h"
#include "rule_files.h"
#include "status.h"
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

/* Who started us may have it ignored: then the kernel keeps no child's end, and a crash is none to
 * waitpid(2). */
static void keep_ends_of_children(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    sigaction(SIGCHLD, &action, NULL);
}

bool tool_begin_without_folder(struct tool *tool, const struct tool_options *options, int argc, char **argv,
                               int *operands, const bool *service)
{
    struct fault fault = {0};

    *tool = (struct tool){.options = options};
    umask(umask(0) | 007); /* reports are nobody else's business; a stricter mask stays */
    fdio_ignore_sigpipe();
    keep_ends_of_children();
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
    size_t mistakes;
};

static void note_mistake(struct reading *reading, const struct fault *fault)
{
    reading->mistake(reading->arg, fault->text);
    reading->mistakes++;
}

static int refuse(const char *folder, size_t mistakes, struct fault *fault)
{
    return fault_set(fault, FAULT_CONFIG, "%s has %zu mistake%s", folder, mistakes, mistakes == 1 ? "" : "s");
}

static void read_form(void *arg, const struct config_file *file)
{
    struct reading *reading = arg;
    struct fault fault = {0};
    struct buf text;
    char *origin = xasprintf("destinations.d/%s", file->name);

    buf_init(&text, LIMIT_CONFIG_FILE);
    if (config_file_read(file->path, &text, &fault) < 0) {
        note_mistake(reading, &fault);
    } else if (catalog_add(reading->catalog, text.data, text.len, file->stem, origin, &fault) < 0) {
        fault_wrap(&fault, "%s", file->path);
        note_mistake(reading, &fault);
    }
    buf_release(&text);
    free(origin);
}

/* Users and groups that destinations name. */
static void find_owners(struct catalog *catalog)
{
    size_t count;
    const char **names = catalog_names(catalog, &count);

    for (size_t i = 0; i < count; i++)
        file_owner_find(catalog_destination(catalog, names[i]));
    free(names);
}

struct catalog *tool_catalog(const struct tool *tool, void (*mistake)(void *arg, const char *text), void *arg,
                             struct fault *fault)
{
    char *folder = xasprintf("%s/destinations.d", conf_dir(tool->conf));
    struct reading reading = {.catalog = catalog_new(), .mistake = mistake, .arg = arg};
    struct fault problem = {0};

    reading.mistakes = tool_programs(tool, reading.catalog, mistake, arg);
    int count = config_folder_each(folder, read_form, &reading, &problem);
    if (count < 0 || (count == 0 && tool_folder(tool, &problem) < 0))
        note_mistake(&reading, &problem);
    if (!reading.mistakes && catalog_check(reading.catalog, &problem) < 0) {
        fault_wrap(&problem, "%s", folder);
        note_mistake(&reading, &problem);
    }
    const size_t beside = tool_schemas(tool, reading.catalog, mistake, arg) +
                          tool_networks(tool, reading.catalog, mistake, arg);
    reading.mistakes += beside;
    if (reading.mistakes) {
        refuse(beside ? conf_dir(tool->conf) : folder, reading.mistakes, fault);
        catalog_free(reading.catalog);
        reading.catalog = NULL;
    }
    if (reading.catalog)
        find_owners(reading.catalog);
    free(folder);
    return reading.catalog;
}

static void note_rule(void *arg, const struct rules_mistake *mistake)
{
    struct reading *reading = arg;
    char *text = rule_files_mistake(mistake);

    reading->mistake(reading->arg, text);
    reading->mistakes++;
    free(text);
}

struct rulebook *tool_rulebook(const struct tool *tool, const struct catalog *catalog,
                               struct programs *programs, const struct rules_source *sources, size_t count,
                               void (*mistake)(void *arg, const char *text), void *arg, struct fault *fault)
{
    const int mode = status_index(route_mode_names, conf_text(tool->conf, "DIST_ROUTE_MODE"));
    const struct rulebook_settings settings = {
        .mode = (enum route_mode)mode,
        .default_target = conf_text(tool->conf, "DIST_DEFAULT_TARGET"),
        .alive = notify_alive,
    };
    struct reading reading = {.mistake = mistake, .arg = arg};
    struct rulebook *book =
        rulebook_new(catalog, sources, count, &settings, programs, note_rule, &reading, fault);

    if (reading.mistakes)
        refuse("the set of rules", reading.mistakes, fault);
    return book;
}

struct rulebook *tool_rules(const struct tool *tool, const struct catalog *catalog, struct programs *programs,
                            void (*mistake)(void *arg, const char *text), void *arg, struct fault *fault)
{
    char *folder = xasprintf("%s/rules.d", conf_dir(tool->conf));
    struct rule_files files = {0};
    struct rulebook *book = NULL;
    size_t mistakes = rule_files_add_folder(&files, folder, mistake, arg);

    if (mistakes)
        refuse(folder, mistakes, fault);
    else
        book = tool_rulebook(tool, catalog, programs, files.items, files.count, mistake, arg, fault);
    rule_files_release(&files);
    free(folder);
    return book;
}

bool tool_routes(const struct tool *tool)
{
    char *folder = xasprintf("%s/rules.d", conf_dir(tool->conf));
    int count = config_folder_each(folder, NULL, NULL, NULL);

    free(folder);
    return count > 0 || conf_text(tool->conf, "DIST_DEFAULT_TARGET") ||
           conf_text(tool->conf, "RULES_ENGINE_URL");
}
