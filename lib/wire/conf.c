/*
 * conf - one table of settings, one slot for each
 *
 * conf_load() goes through the sources from the weakest to the strongest: dist.conf line by line, the
 * environment, systemd's credentials. Each hands what it has to offer(), which checks it at once, so that a
 * mistake in a value that a stronger source replaces is found too, and puts it into the setting's slot. The
 * files of secrets are read last, when it is known which of them count. The one hard rule: a mistake never
 * quotes the value of a secret.
 */
#include "conf.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "conf_file.h"
#include "crash.h"
#include "num.h"
#include "secret.h"
#include "text.h"
#include "xalloc.h"

#define KIB(n) ((int64_t)(n)*1024)
#define SECONDS(n) ((int64_t)(n)*1000)
#define DAYS(n) SECONDS((int64_t)(n)*24 * 60 * 60)

enum { NAME_SIZE = 64 };

static const char *const ssl_modes[] = {"disable",   "allow",       "prefer", "require",
                                        "verify-ca", "verify-full", NULL};
static const char *const retry_policies[] = {"exponential_backoff", "standard_webhooks", "none", NULL};
static const char *const route_modes[] = {"unite", "restrict", "replace", NULL};
static const char *const engine_absents[] = {"last", "refuse", "wait", NULL};
static const char *const schema_values[] = {"hide", "show", NULL};
static const char *const log_formats[] = {"text", "json", "journal", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};

/* clang-format off */
#define TEXT(name, fallback, help) {name, CONF_TEXT, fallback, 0, 0, NULL, help}
#define NAME(name, fallback, help) {name, CONF_NAME, fallback, 0, 0, NULL, help}
#define SECRET(name, help) {name, CONF_SECRET, NULL, 0, 0, NULL, help}
#define WORD(name, fallback, words, help) {name, CONF_WORD, fallback, 0, 0, words, help}
#define BOOL(name, fallback, help) {name, CONF_BOOL, fallback, 0, 0, NULL, help}
#define INT(name, fallback, min, max, help) {name, CONF_INT, fallback, min, max, NULL, help}
#define SIZE(name, fallback, min, max, help) {name, CONF_SIZE, fallback, min, max, NULL, help}
#define DURATION(name, fallback, min, max, help) {name, CONF_DURATION, fallback, min, max, NULL, help}

const struct conf_setting conf_settings[] = {
    TEXT("DB_HOST", "/var/run/postgresql", "PostgreSQL's host, or the folder of its socket"),
    INT("DB_PORT", "5432", 1, 65535, "PostgreSQL's port"),
    TEXT("DB_NAME", "dist", "the database"),
    TEXT("DB_USER", "dist", "the role to connect as"),
    SECRET("DB_PASSWORD", "the role's password"),
    WORD("DB_SSLMODE", "prefer", ssl_modes, "TLS to PostgreSQL, in libpq's words"),

    TEXT("REDIS_HOST", "localhost", "Redis's host, or the path of its socket"),
    INT("REDIS_PORT", "6379", 1, 65535, "Redis's port"),
    TEXT("REDIS_USER", NULL, "the user to authenticate as"),
    SECRET("REDIS_PASSWORD", "the user's password"),
    INT("REDIS_DB", "0", 0, 1000000, "the number of the Redis database"),
    BOOL("REDIS_TLS", "0", "whether Redis and its Sentinels are spoken to by TLS"),
    TEXT("REDIS_TLS_CA_FILE", NULL, "who may have signed Redis's certificate; without it, who the system trusts"),
    TEXT("REDIS_TLS_CERT_FILE", NULL, "the certificate to show to Redis"),
    TEXT("REDIS_TLS_KEY_FILE", NULL, "its key, where that is in a file of its own"),
    TEXT("REDIS_TLS_SERVER_NAME", NULL, "the name in Redis's certificate, where that is not the host"),
    TEXT("REDIS_SENTINELS", NULL, "the Sentinels to ask for Redis, HOST[:PORT] with commas between"),
    TEXT("REDIS_SENTINEL_MASTER", NULL, "the name of the master that they watch"),
    TEXT("REDIS_SENTINEL_USER", NULL, "the user to authenticate to the Sentinels as"),
    SECRET("REDIS_SENTINEL_PASSWORD", "the password of the Sentinels themselves"),
    BOOL("REDIS_CLUSTER", "0", "whether Redis is a cluster, REDIS_HOST being any of its nodes"),

    SIZE("DIST_MAX_PAYLOAD", "16M", 1, KIB(512) * 1024, "the largest payload that is accepted"),
    DURATION("DIST_TRANSFORM_TIMEOUT", "1s", 10, SECONDS(5), "the most that one run of a program takes"),
    SIZE("DIST_TRANSFORM_MEMORY", "256M", KIB(16) * 1024, KIB(4) * 1024 * 1024,
         "the most memory that one run of a program takes"),
    SIZE("DIST_TRANSFORM_OUTPUT", "16M", 1, KIB(512) * 1024, "the largest body that a transformation makes"),
    WORD("DIST_ROUTE_MODE", "unite", route_modes, "what rules do to the destinations that a request names"),
    NAME("DIST_DEFAULT_TARGET", NULL, "where goes what names no destination and matches no rule"),
    TEXT("RULES_ENGINE_URL", NULL, "the service that says where distributions go, in the place of the rules"),
    NAME("RULES_ENGINE_CREDENTIALS", NULL, "the credentials that are shown to it"),
    DURATION("RULES_ENGINE_TIMEOUT", "2s", 100, SECONDS(5), "how long it may take for an answer"),
    DURATION("RULES_ENGINE_CACHE", "0s", 0, SECONDS(3600), "how long an answer is taken for what is alike"),
    BOOL("RULES_ENGINE_PAYLOAD", "0", "whether it gets the payload too"),
    WORD("RULES_ENGINE_ABSENT", "wait", engine_absents, "what is done while it is absent"),
    WORD("DIST_RETRY_POLICY", "exponential_backoff", retry_policies,
         "the retry policy of destinations that name none"),
    DURATION("DIST_MAX_AGE", "4d", SECONDS(1), DAYS(365),
             "how long a distribution without an expiry of its own is tried"),
    DURATION("DIST_IDEMPOTENCY_WINDOW", "24h", SECONDS(60), DAYS(365), "how long an idempotency key is taken"),
    TEXT("DIST_SPOOL_DIR", NULL, "the folder in which dist-submit keeps what PostgreSQL cannot take now"),
    SIZE("DIST_SPOOL_MAX", "1G", KIB(64), KIB(1024) * 1024 * 1024, "the most bytes that lie in the spool"),
    BOOL("DIST_ALLOW_PRIVATE", "0", "whether destinations may be at private addresses"),
    TEXT("DIST_PROXY", NULL, "the proxy through which HTTP destinations are reached, http://HOST:PORT"),
    INT("DIST_CONCURRENCY", "400", 1, 10000, "attempts in flight per worker, in all"),
    INT("DIST_TENANT_CONCURRENCY", "200", 1, 10000, "attempts in flight per worker, of one tenant"),
    INT("DIST_BREAKER_FAILURES", "5", 1, 1000, "failures in a row that open a destination's breaker"),
    DURATION("DIST_BREAKER_RECOVERY", "60s", 100, SECONDS(3600), "how long it is open before a probe is made"),
    INT("DIST_LANE_WINDOW", "5000", 20, 100000, "entries of one lane in Redis; more waits in PostgreSQL"),
    INT("DIST_PARTITIONS", "1", 1, 64, "partitions of the queue in Redis, the same for all programs"),
    DURATION("DIST_LEASE", "60s", SECONDS(1), SECONDS(3600), "how long a silent worker keeps what it holds"),
    DURATION("DIST_STOP_TIMEOUT", "20s", 100, SECONDS(600), "how long a stopping service finishes its work"),
    DURATION("DIST_SERVER_TIMEOUT", "10s", 100, SECONDS(300), "the most that one call to PostgreSQL or Redis takes"),
    /* None means that it depends on where stderr goes: see msg.h. */
    WORD("DIST_LOG_FORMAT", NULL, log_formats, "the form of messages"),
    WORD("DIST_LOG_LEVEL", "info", log_levels, "the least important messages that are written"),
    WORD("DIST_SCHEMA_VALUES", "hide", schema_values,
         "whether mistakes that schemas find are told with the values of reports"),
    NAME("DIST_DEFAULT_TENANT", NULL, "the tenant of dist-submit without --tenant"),
    {NULL, CONF_TEXT, NULL, 0, 0, NULL, NULL},
};
/* clang-format on */

enum { SETTING_COUNT = sizeof(conf_settings) / sizeof(*conf_settings) - 1 };

/* Settings of other parts of the system, which may share dist.conf with this one: accepted, ignored. */
static const struct {
    const char *name;
    bool secret;
} conf_elsewhere[] = {
    {"API_HOST", false},
    {"API_PORT", false},
    {"API_WORKERS", false},
    {"JWT_SECRET_KEY", true},
    {"API_KEY_SECRET", true},
    {"JWT_SECRET_KEY_FILE", false},
    {"API_KEY_SECRET_FILE", false},
    {"PROMETHEUS_PORT", false},
    {"GRAFANA_URL", false},
};
enum { ELSEWHERE_COUNT = sizeof(conf_elsewhere) / sizeof(*conf_elsewhere) };

/* Names of the test harness begin like this. */
static const char *const harness[] = {"DIST_RECEIVER", "DIST_SANDBOX_", "DIST_TEST_", "DIST_BIN",
                                      "DIST_BUILD"};

enum source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_CREDENTIAL };

struct slot {
    enum source source;
    char *text;     /* as written; NULL: no value */
    char *origin;   /* "dist.conf:12"; NULL: the default */
    char *path;     /* of a secret that is still to be read */
    int64_t number; /* of INT, BOOL, SIZE, DURATION */
};

struct conf {
    char *dir;
    bool dir_given; /* by the environment */
    struct slot slots[SETTING_COUNT];
};

struct loading {
    struct conf *conf;
    void (*mistake)(void *arg, const char *text);
    void *arg;
    struct fault *fault;
    bool any;                /* mistakes */
    char exposed[NAME_SIZE]; /* the last secret whose value was in dist.conf, or "" */
};

/* ---- values ---- */

static int parse_word(const struct conf_setting *setting, const char *text, struct fault *fault)
{
    const char *nearest;
    char all[200] = "";
    size_t count = 0, size = 0;

    for (; setting->words[count]; count++) {
        if (strcmp(setting->words[count], text) == 0)
            return 0;
        size += (size_t)snprintf(all + size, sizeof(all) - size, "%s%s", count ? ", " : "",
                                 setting->words[count]);
    }
    nearest = text_nearest(text, setting->words, count);
    if (nearest)
        return fault_set(fault, FAULT_CONFIG, "unknown word '%.80s'; did you mean '%s'?", text, nearest);
    return fault_set(fault, FAULT_CONFIG, "unknown word '%.80s'; it takes one of %s", text, all);
}

static int parse_value(const struct conf_setting *setting, const char *text, int64_t *number,
                       struct fault *fault)
{
    char least[NUM_DURATION_SIZE];
    uint64_t bytes = 0;
    bool yes = false;

    *number = 0;
    switch (setting->kind) {
    case CONF_INT:
        return num_parse_int(text, setting->min, setting->max, number, fault);
    case CONF_BOOL:
        if (num_parse_bool(text, &yes, fault) != 0)
            return -1;
        *number = yes;
        return 0;
    case CONF_SIZE:
        if (num_parse_size(text, (uint64_t)setting->max, &bytes, fault) != 0)
            return -1;
        *number = (int64_t)bytes;
        if (*number < setting->min)
            return fault_set(fault, FAULT_CONFIG, "'%s' is too little: it takes at least %lld bytes", text,
                             (long long)setting->min);
        return 0;
    case CONF_DURATION:
        if (num_parse_duration(text, setting->max, number, fault) != 0)
            return -1;
        if (*number < setting->min)
            return fault_set(fault, FAULT_CONFIG, "'%s' is too short: it takes at least %s", text,
                             num_format_duration(setting->min, least));
        return 0;
    case CONF_WORD:
        return parse_word(setting, text, fault);
    case CONF_NAME:
        if (!text_is_name(text))
            return fault_set(fault, FAULT_CONFIG, "'%.80s' is not a name", text);
        return 0;
    case CONF_TEXT:
    case CONF_SECRET:
        break;
    }
    return 0;
}

static bool is_plain_text(const char *text)
{
    for (const char *c = text; *c; c++)
        if (iscntrl((unsigned char)*c))
            return false;
    return text_is_utf8(text, strlen(text), NULL);
}

/* ---- mistakes ---- */

static void report(struct loading *loading, const struct fault *fault)
{
    if (!loading->any)
        fault_set(loading->fault, FAULT_CONFIG, "%s", fault->text);
    loading->any = true;
    if (loading->mistake)
        loading->mistake(loading->arg, fault->text);
}

static void wrong(struct loading *loading, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void wrong(struct loading *loading, const char *format, ...)
{
    struct fault fault;
    char text[sizeof(fault.text)];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fault_set(&fault, FAULT_CONFIG, "%s", text);
    report(loading, &fault);
}

static void wrong_name(struct loading *loading, const char *origin, const char *name)
{
    const char *names[2 * SETTING_COUNT + ELSEWHERE_COUNT];
    char files[SETTING_COUNT][NAME_SIZE];
    const char *nearest;
    size_t count = 0;

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        names[count++] = conf_settings[i].name;
        if (conf_settings[i].kind != CONF_SECRET)
            continue;
        (void)snprintf(files[i], sizeof(files[i]), "%s_FILE", conf_settings[i].name);
        names[count++] = files[i];
    }
    for (size_t i = 0; i < ELSEWHERE_COUNT; i++)
        names[count++] = conf_elsewhere[i].name;
    nearest = text_nearest(name, names, count);
    if (nearest)
        wrong(loading, "%s: unknown setting '%.100s'; did you mean '%s'?", origin, name, nearest);
    else
        wrong(loading, "%s: unknown setting '%.100s'", origin, name);
}

/* ---- what every source does ---- */

/* The setting of that name; of a secret's NAME_FILE, with *is_file. NULL: none. */
static const struct conf_setting *find(const char *name, bool *is_file)
{
    *is_file = false;
    for (const struct conf_setting *setting = conf_settings; setting->name; setting++) {
        size_t size = strlen(setting->name);

        if (strncmp(name, setting->name, size) != 0)
            continue;
        *is_file = setting->kind == CONF_SECRET && strcmp(name + size, "_FILE") == 0;
        if (name[size] == '\0' || *is_file)
            return setting;
    }
    return NULL;
}

static bool is_elsewhere(const char *name, bool *secret)
{
    for (size_t i = 0; i < ELSEWHERE_COUNT; i++) {
        *secret = conf_elsewhere[i].secret;
        if (strcmp(name, conf_elsewhere[i].name) == 0)
            return true;
    }
    return false;
}

static void slot_release(struct slot *slot)
{
    secret_wipe(slot->text);
    free(slot->origin);
    free(slot->path);
    *slot = (struct slot){0};
}

static void slot_default(struct slot *slot, const struct conf_setting *setting)
{
    struct fault fault;

    if (!setting->fallback)
        return;
    slot->text = xstrdup(setting->fallback);
    if (parse_value(setting, slot->text, &slot->number, &fault) != 0)
        abort(); /* the table is wrong */
}

/* Puts a value that came from a source, or from the file that it named, into the slot. */
static void take(struct loading *loading, const struct conf_setting *setting, struct slot *slot,
                 const char *value)
{
    struct fault fault;
    int64_t number = 0;

    if (!is_plain_text(value)) {
        wrong(loading, "%s: %s: the value is not UTF-8 or holds control characters", slot->origin,
              setting->name);
    } else if (parse_value(setting, value, &number, &fault) != 0) {
        fault_wrap(&fault, "%s: %s", slot->origin, setting->name);
        report(loading, &fault);
    } else {
        slot->text = xstrdup(value);
        slot->number = number;
    }
}

/* A setting's value, or the path of the file that holds it, from a source. */
static void offer(struct loading *loading, enum source source, const char *origin,
                  const struct conf_setting *setting, bool is_file, const char *value)
{
    struct slot *slot = &loading->conf->slots[setting - conf_settings];

    if (*value == '\0')
        return;
    if (slot->source == source) {
        wrong(loading, "%s: %s%s: the setting was given already (%s)", origin, setting->name,
              is_file ? "_FILE" : "", slot->origin);
        return;
    }
    slot_release(slot);
    slot->source = source;
    slot->origin = xstrdup(origin);
    if (!is_file)
        take(loading, setting, slot, value);
    else if (*value == '/' && is_plain_text(value))
        slot->path = xstrdup(value);
    else /* not quoted: it may well be the secret itself */
        wrong(loading, "%s: %s_FILE: the value is not an absolute path", origin, setting->name);
    if (!slot->text && !slot->path) /* the mistake is told; a reader gets the default */
        slot_default(slot, setting);
}

/* ---- dist.conf ---- */

static void load_pair(void *arg, const char *origin, const char *name, const char *value)
{
    struct loading *loading = arg;
    bool is_file = false, secret = false;
    const struct conf_setting *setting = find(name, &is_file);

    if (setting)
        secret = setting->kind == CONF_SECRET && !is_file;
    else if (!is_elsewhere(name, &secret)) {
        if (strcmp(name, "DIST_CONFIG_DIR") == 0)
            wrong(loading, "%s: DIST_CONFIG_DIR is taken from the environment only", origin);
        else
            wrong_name(loading, origin, name);
        return;
    }
    if (secret && *value)
        text_copy(loading->exposed, sizeof(loading->exposed), name);
    if (setting)
        offer(loading, SOURCE_FILE, origin, setting, is_file, value);
}

static void load_mistake(void *arg, const struct fault *fault)
{
    report(arg, fault);
}

static void load_file(struct loading *loading)
{
    const struct conf_file_visitor visitor = {load_pair, load_mistake, loading};
    mode_t mode = conf_file_read(loading->conf->dir, &visitor);

    if (*loading->exposed && (mode & (S_IROTH | S_IWOTH)) != 0)
        wrong(loading,
              "dist.conf: it holds %s and is open to others (mode %04o): make it 0640 or name a file",
              loading->exposed, (unsigned)mode & 07777U);
}

/* ---- the environment ---- */

static bool is_harness(const char *name)
{
    for (size_t i = 0; i < sizeof(harness) / sizeof(*harness); i++)
        if (text_starts_with(name, harness[i]))
            return true;
    return strcmp(name, "DIST_CONFIG_DIR") == 0;
}

/* No setting: a test's word to this one process (base/crash.h), so dist.conf does not know it. */
static void check_crash_point(struct loading *loading, const char *value)
{
    struct fault fault;

    if (*value && crash_check(value, &fault) != 0)
        wrong(loading, "environment: DIST_CRASH_AT: %s", fault.text);
}

static void load_environment(struct loading *loading)
{
    for (char **entry = environ; entry && *entry; entry++) {
        const struct conf_setting *setting;
        const char *equals = strchr(*entry, '=');
        char name[NAME_SIZE];
        bool is_file = false;

        if (!equals || (!text_starts_with(*entry, "DIST_") && (size_t)(equals - *entry) >= sizeof(name)))
            continue;
        (void)snprintf(name, sizeof(name), "%.*s", (int)(equals - *entry), *entry);
        setting = find(name, &is_file);
        if (setting)
            offer(loading, SOURCE_ENVIRONMENT, "environment", setting, is_file, equals + 1);
        else if (strcmp(name, "DIST_CRASH_AT") == 0)
            check_crash_point(loading, equals + 1);
        else if (text_starts_with(name, "DIST_") && !is_harness(name))
            wrong_name(loading, "environment", text_printable(name));
    }
}

/* systemd's LoadCredential=DB_PASSWORD:... and its like. */
static void load_credentials(struct loading *loading)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");

    if (!dir || *dir != '/')
        return;
    for (const struct conf_setting *setting = conf_settings; setting->name; setting++) {
        char *path;

        if (setting->kind != CONF_SECRET)
            continue;
        path = xasprintf("%s/%s", dir, setting->name);
        if (access(path, F_OK) == 0)
            offer(loading, SOURCE_CREDENTIAL, "CREDENTIALS_DIRECTORY", setting, true, path);
        free(path);
    }
}

/* ---- after all sources ---- */

static void read_secret_file(struct loading *loading, const struct conf_setting *setting, struct slot *slot)
{
    struct fault fault;
    char *text = NULL;

    if (secret_read_file(slot->path, &text, &fault) != 0) {
        fault_wrap(&fault, "%s: %s", slot->origin, setting->name);
        report(loading, &fault);
        return;
    }
    free(slot->origin);
    slot->origin = xasprintf("file %s", slot->path);
    take(loading, setting, slot, text);
    secret_wipe(text);
}

static void check_together(struct loading *loading)
{
    const struct conf *conf = loading->conf;

    /* A worker that waits for one call must not lose what it holds. */
    if (conf_duration_ms(conf, "DIST_LEASE") <= conf_duration_ms(conf, "DIST_SERVER_TIMEOUT"))
        wrong(loading, "DIST_LEASE (%s) must be longer than DIST_SERVER_TIMEOUT (%s)",
              conf_shown(conf, "DIST_LEASE"), conf_shown(conf, "DIST_SERVER_TIMEOUT"));
    /* Nor one that begins a last piece of work after a quarter of it. */
    if (conf_duration_ms(conf, "DIST_TRANSFORM_TIMEOUT") > conf_duration_ms(conf, "DIST_LEASE") / 2)
        wrong(loading, "DIST_TRANSFORM_TIMEOUT (%s) must be no longer than half of DIST_LEASE (%s)",
              conf_shown(conf, "DIST_TRANSFORM_TIMEOUT"), conf_shown(conf, "DIST_LEASE"));
    if (conf_text(conf, "RULES_ENGINE_URL") &&
        conf_duration_ms(conf, "RULES_ENGINE_TIMEOUT") > conf_duration_ms(conf, "DIST_LEASE") / 2)
        wrong(loading, "RULES_ENGINE_TIMEOUT (%s) must be no longer than half of DIST_LEASE (%s)",
              conf_shown(conf, "RULES_ENGINE_TIMEOUT"), conf_shown(conf, "DIST_LEASE"));
}

int conf_load(struct conf *conf, void (*mistake)(void *arg, const char *text), void *arg, struct fault *fault)
{
    struct loading loading = {.conf = conf, .mistake = mistake, .arg = arg, .fault = fault};

    load_file(&loading);
    load_environment(&loading);
    load_credentials(&loading);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (conf->slots[i].path)
            read_secret_file(&loading, &conf_settings[i], &conf->slots[i]);
    check_together(&loading);
    return loading.any ? -1 : 0;
}

struct conf *conf_new(void)
{
    struct conf *conf = xcalloc(1, sizeof(*conf));
    const char *dir = getenv("DIST_CONFIG_DIR");

    conf->dir_given = dir && *dir;
    conf->dir = xstrdup(conf->dir_given ? dir : "/etc/dist");
    for (size_t i = 0; i < SETTING_COUNT; i++)
        slot_default(&conf->slots[i], &conf_settings[i]);
    return conf;
}

void conf_free(struct conf *conf)
{
    if (!conf)
        return;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        slot_release(&conf->slots[i]);
    free(conf->dir);
    free(conf);
}

/* ---- readers ---- */

static size_t index_of(const char *name)
{
    size_t i = 0;

    while (i < SETTING_COUNT && strcmp(conf_settings[i].name, name) != 0)
        i++;
    if (i == SETTING_COUNT)
        abort(); /* a caller's misspelling, which the first run of its test finds */
    return i;
}

static int64_t number_of(const struct conf *conf, const char *name, enum conf_kind kind)
{
    size_t i = index_of(name);

    if (conf_settings[i].kind != kind)
        abort();
    return conf->slots[i].number;
}

const char *conf_dir(const struct conf *conf)
{
    return conf->dir;
}

bool conf_dir_given(const struct conf *conf)
{
    return conf->dir_given;
}

const char *conf_text(const struct conf *conf, const char *name)
{
    size_t i = index_of(name);
    enum conf_kind kind = conf_settings[i].kind;

    if (kind != CONF_TEXT && kind != CONF_NAME && kind != CONF_WORD && kind != CONF_SECRET)
        abort();
    return conf->slots[i].text;
}

int64_t conf_int(const struct conf *conf, const char *name)
{
    return number_of(conf, name, CONF_INT);
}

bool conf_bool(const struct conf *conf, const char *name)
{
    return number_of(conf, name, CONF_BOOL) != 0;
}

uint64_t conf_size(const struct conf *conf, const char *name)
{
    return (uint64_t)number_of(conf, name, CONF_SIZE);
}

int64_t conf_duration_ms(const struct conf *conf, const char *name)
{
    return number_of(conf, name, CONF_DURATION);
}

const char *conf_origin(const struct conf *conf, const char *name)
{
    const struct slot *slot = &conf->slots[index_of(name)];

    return slot->origin ? slot->origin : "default";
}

const char *conf_shown(const struct conf *conf, const char *name)
{
    size_t i = index_of(name);

    if (!conf->slots[i].text)
        return "";
    return conf_settings[i].kind == CONF_SECRET ? "(set)" : conf->slots[i].text;
}
