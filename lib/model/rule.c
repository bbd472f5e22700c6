/*
 * rule - from a form to a rule
 *
 * Hard rule: whatever is wrong with one part, the others are looked at too, so that somebody who mends rules
 * sees everything in one run. So each member is read as an object of its own.
 */
#include <string.h>
#include "ceilings.h"
#include "clock.h"
#include "json.h"
#include "rendering.h"
#include "retry.h"
#include "rule.h"
#include "text.h"
#include "xalloc.h"

static const int64_t timeout_max_ms = INT64_C(30) * 24 * 3600 * 1000; /* as in a request */
enum { TIMEOUT_MIN_MS = 1000, TENANT_SIZE = 50 }; /* distribution_jobs.tenant_id is VARCHAR(50) */

/* A form while it is read. */
struct reading {
    struct rule *rule;
    const struct rule_checks *checks;
    const char *path; /* of the form */
    rule_report *report;
    void *arg;
    size_t mistakes;
    const char *name, *tenant; /* that the form has */
    json_t *match, *to, *set;
};

static void tell(struct reading *reading, const char *path, const char *text)
{
    reading->mistakes++;
    reading->report(reading->arg, path, text);
}

__attribute__((format(printf, 3, 4))) static void mistake(struct reading *reading, const char *member,
                                                          const char *format, ...)
{
    char *path = xasprintf("%s%s", reading->path, member);
    struct fault text;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text.text, sizeof text.text, format, arguments);
    va_end(arguments);
    tell(reading, path, text_printable(text.text));
    free(path);
}

/* A fault whose text may begin with a pointer; else it is about `path`. */
static void mistake_fault(struct reading *reading, const char *path, const struct fault *fault)
{
    const char *behind = *fault->text == '/' ? strstr(fault->text, ": ") : NULL;
    char *own;

    if (!behind) {
        tell(reading, path, fault->text);
        return;
    }
    own = xmemdupz(fault->text, (size_t)(behind - fault->text));
    tell(reading, own, behind + 2);
    free(own);
}

/* "path" and "/name", as RFC 6901 has it. */
static char *member_path(const char *path, const char *name)
{
    struct buf text;

    buf_init(&text, SIZE_MAX / 4);
    buf_addf(&text, "%s/", path);
    for (const char *c = name; *c; c++) {
        if (*c == '~' || *c == '/')
            buf_adds(&text, *c == '~' ? "~0" : "~1");
        else
            buf_addc(&text, *c);
    }
    text_printable(text.data);
    return buf_steal(&text, NULL);
}

/* json_fields() for each member alone: it would end at the first that is wrong. */
static void read_members(struct reading *reading, const json_t *object, const char *path,
                         const struct json_field *fields)
{
    const char *name;
    json_t *value;

    json_object_foreach ((json_t *)object, name, value) {
        struct fault fault = {0};
        json_t *alone = json_object();

        json_object_set(alone, name, value);
        if (json_fields(alone, "", fields, &fault)) {
            char *own = member_path(path, name);
            char *full = *fault.text == '/' ? xasprintf("%s%s", path, fault.text) : NULL;
            if (full)
                text_copy(fault.text, sizeof fault.text, full);
            mistake_fault(reading, own, &fault);
            free(full);
            free(own);
        }
        json_decref(alone);
    }
}

static void read_form(struct reading *reading)
{
    struct rule *rule = reading->rule;
    const struct json_field fields[] = {
        {.name = "name", .kind = JSON_KIND_NAME, .target = &reading->name},
        {.name = "description", .kind = JSON_KIND_IGNORED},
        {.name = "tenant", .kind = JSON_KIND_NAME, .target = &reading->tenant, .max = TENANT_SIZE},
        {.name = "enabled", .kind = JSON_KIND_BOOL, .target = &rule->enabled},
        {.name = "priority",
         .kind = JSON_KIND_INT,
         .target = &rule->priority,
         .min = -RULE_PRIORITY_MAX,
         .max = RULE_PRIORITY_MAX},
        {.name = "valid_from", .kind = JSON_KIND_TIME, .target = &rule->valid_from_us},
        {.name = "valid_until", .kind = JSON_KIND_TIME, .target = &rule->valid_until_us},
        {.name = "match", .kind = JSON_KIND_OBJECT, .target = &reading->match},
        {.name = "when", .kind = JSON_KIND_STRING, .target = &rule->when, .min = 1, .max = RULE_WHEN_SIZE},
        {.name = "to", .kind = JSON_KIND_ARRAY, .target = &reading->to, .max = LIMIT_TARGETS},
        {.name = "set", .kind = JSON_KIND_OBJECT, .target = &reading->set},
        {.name = "rendering", .kind = JSON_KIND_OBJECT, .target = &rule->rendering},
        {.name = "stop", .kind = JSON_KIND_BOOL, .target = &rule->stop},
        {0},
    };

    read_members(reading, rule->form, reading->path, fields);
}

static void read_name(struct reading *reading, const char *name)
{
    struct rule *rule = reading->rule;

    if (reading->name)
        name = reading->name;
    else if (json_object_get(rule->form, "name") && !json_is_null(json_object_get(rule->form, "name")))
        return; /* told already */
    else if (!name)
        mistake(reading, "", "'name' is missing");
    else if (!text_is_name(name))
        mistake(reading, "",
                "a name of letters, digits, '.', '_' and '-' is wanted for the rule of this file");
    rule->name = xstrdup_null(name);
}

static void read_tenant(struct reading *reading, const char *tenant)
{
    if (tenant && reading->tenant && strcmp(tenant, reading->tenant) != 0)
        mistake(reading, "/tenant", "these are rules of tenant '%s', and '%s' is another one", tenant,
                reading->tenant);
    reading->rule->tenant = xstrdup_null(tenant ? tenant : reading->tenant);
}

static void report_pattern(void *arg, const struct fault *fault)
{
    struct reading *reading = arg;

    mistake_fault(reading, reading->path, fault);
}

static void read_match(struct reading *reading)
{
    json_t *form = reading->match ? json_incref(reading->match) : json_object();
    char *path = xasprintf("%s/match", reading->path);

    if (pattern_check(form, path, rule_event_members, report_pattern, reading) == 0)
        reading->rule->match = pattern_new(form, path, rule_event_members, NULL);
    free(path);
    json_decref(form);
}

static void check_target(struct reading *reading, size_t index, const char *name)
{
    const struct catalog *catalog = reading->checks ? reading->checks->catalog : NULL;
    const struct rule *rule = reading->rule;
    char path[40];

    snprintf(path, sizeof path, "/to/%zu", index);
    if (!name || !text_is_name(name)) {
        mistake(reading, path, "the name of a destination or a group is wanted");
        return;
    }
    for (size_t i = 0; i < rule->to_count; i++) {
        if (strcmp(rule->to[i], name) == 0) {
            mistake(reading, path, "'%s' is there twice", name);
            return;
        }
    }
    if (catalog && !catalog_destination(catalog, name) && !catalog_group(catalog, name)) {
        const char *nearest = catalog_nearest(catalog, name);
        mistake(reading, path, "no destination or group is named '%s'%s%s%s", name,
                nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
    }
    reading->rule->to[reading->rule->to_count++] = name;
}

/* False where a member is absent or empty; what is there and wrong has been told. */
static bool says_something(const json_t *form, const char *name)
{
    const json_t *value = json_object_get(form, name);

    if (json_is_array(value) || json_is_object(value))
        return json_array_size(value) || json_object_size(value);
    return value && !json_is_null(value) && !json_is_false(value);
}

static void read_to(struct reading *reading)
{
    struct rule *rule = reading->rule;

    rule->to = xcalloc(json_array_size(reading->to) + 1, sizeof *rule->to);
    for (size_t i = 0; i < json_array_size(reading->to); i++)
        check_target(reading, i, json_string_value(json_array_get(reading->to, i)));
    if (!says_something(rule->form, "to") && !says_something(rule->form, "set") &&
        !says_something(rule->form, "stop"))
        mistake(reading, "", "the rule does nothing: it has no 'to', no 'set' and no 'stop'");
}

/* The values of set.options stay in the object: they are those of a request's options. */
static void read_options(struct reading *reading, const json_t *options)
{
    const char *retry_policy;
    int64_t timeout_ms;
    char *path = xasprintf("%s/set/options", reading->path);
    const struct json_field fields[] = {
        {.name = "retry_policy",
         .kind = JSON_KIND_WORD,
         .target = &retry_policy,
         .words = retry_policy_names},
        {.name = "timeout",
         .kind = JSON_KIND_SECONDS,
         .target = &timeout_ms,
         .min = TIMEOUT_MIN_MS,
         .max = timeout_max_ms},
        {0},
    };

    read_members(reading, options, path, fields);
    free(path);
}

static void read_set(struct reading *reading)
{
    struct rule *rule = reading->rule;
    struct fault fault;
    char *path = xasprintf("%s/set", reading->path);
    const struct json_field fields[] = {
        {.name = "priority", .kind = JSON_KIND_WORD, .target = &rule->set_priority, .words = priority_names},
        {.name = "options", .kind = JSON_KIND_OBJECT, .target = &rule->set_options},
        {.name = "metadata", .kind = JSON_KIND_OBJECT, .target = &rule->set_metadata},
        {0},
    };

    read_members(reading, reading->set, path, fields);
    if (rule->set_options)
        read_options(reading, rule->set_options);
    if (rule->set_metadata && job_check_metadata("metadata", rule->set_metadata, &fault))
        mistake(reading, "/set/metadata", "%s", fault.text);
    free(path);
}

static void report_rendering(void *arg, const struct fault *fault)
{
    struct reading *reading = arg;

    mistake_fault(reading, reading->path, fault);
}

/* Its program is there, and is one; and so is its schema. */
static void check_rendering(struct reading *reading, const char *path)
{
    const struct rule_checks *checks = reading->checks;
    struct rendering *rendering = rendering_parse(reading->rule->rendering, path, false, NULL);
    const char *text = rendering->program;
    struct fault fault = {0};
    char *own = xasprintf("%s/transform", path);

    if (checks && checks->catalog && catalog_program(checks->catalog, rendering, path, &text, &fault))
        mistake_fault(reading, own, &fault);
    else if (text && checks && checks->when && checks->when(checks->when_arg, text, &fault))
        tell(reading, own, fault.text);
    fault_clear(&fault);
    if (checks && checks->catalog && catalog_schema(checks->catalog, rendering, path, &fault))
        mistake_fault(reading, path, &fault);
    free(own);
    rendering_free(rendering);
}

static void read_rendering(struct reading *reading)
{
    const struct rule *rule = reading->rule;
    char *path = xasprintf("%s/rendering", reading->path);

    if (rule->rendering) {
        if (rendering_check(rule->rendering, path, false, report_rendering, reading) == 0)
            check_rendering(reading, path);
        if (!rule->to_count)
            mistake(reading, "/rendering", "the rule has no 'to', and so no deliveries to render");
    }
    free(path);
}

static void check_rest(struct reading *reading)
{
    const struct rule *rule = reading->rule;
    const struct rule_checks *checks = reading->checks;
    struct fault fault = {0};
    char *path;

    if (rule->valid_from_us && rule->valid_until_us && rule->valid_until_us <= rule->valid_from_us)
        mistake(reading, "/valid_until", "it is not after valid_from: the rule is never in force");
    if (rule->when && checks && checks->when && checks->when(checks->when_arg, rule->when, &fault)) {
        path = xasprintf("%s/when", reading->path);
        tell(reading, path, fault.text);
        free(path);
    }
}

struct rule *rule_new(const json_t *form, const char *path, const char *name, const char *tenant,
                      const char *origin, const struct rule_checks *checks, rule_report *report, void *arg)
{
    struct rule *rule = xcalloc(1, sizeof *rule);
    struct reading reading = {.rule = rule, .checks = checks, .path = path, .report = report, .arg = arg};

    rule->enabled = true;
    rule->origin = xstrdup(origin);
    rule->form = json_deep_copy(form);
    if (json_is_object(form)) {
        read_form(&reading);
        read_name(&reading, name);
        read_tenant(&reading, tenant);
        read_match(&reading);
        read_set(&reading);
        read_to(&reading);
        read_rendering(&reading);
        check_rest(&reading);
    } else {
        mistake(&reading, "", "an object is wanted");
    }
    if (!reading.mistakes)
        return rule;
    rule_free(rule);
    return NULL;
}

void rule_free(struct rule *rule)
{
    if (!rule)
        return;
    pattern_free(rule->match);
    free(rule->to);
    free(rule->name);
    free(rule->tenant);
    free(rule->origin);
    json_decref(rule->form);
    free(rule);
}

const char *const rule_event_members[] = {
    "distribution_id", "id",           "tenant_id",       "data_type", "priority", "submitted_at",
    "timestamp",       "expires_at",   "retry_policy",    "replay_of", "metadata", "content_type",
    "destinations",    "payload_size", "idempotency_key", "payload",   NULL,
};

static void set_text(json_t *event, const char *name, const char *text)
{
    if (text && *text)
        json_object_set_new(event, name, json_string(text));
}

static void set_time(json_t *event, const char *name, int64_t wall_us)
{
    char text[CLOCK_TEXT_SIZE];

    if (wall_us)
        set_text(event, name, clock_format(wall_us, text));
}

static json_t *read_payload(const struct job *job)
{
    if (!job->content_type || !job_content_is_json(job->content_type) || !job->body)
        return NULL;
    return json_read_nearest(job->body, job->body_size, NULL);
}

json_t *rule_event(const struct job *job, bool with_payload)
{
    json_t *event = json_object(), *names = json_array(), *element, *payload;
    size_t index;

    set_text(event, "distribution_id", job->distribution_id);
    set_text(event, "id", job->id);
    set_text(event, "tenant_id", job->tenant_id);
    set_text(event, "data_type", job->data_type);
    set_text(event, "priority", priority_names[job->priority]);
    set_time(event, "submitted_at", job->submitted_at_us);
    set_time(event, "timestamp", job->requested_at_us);
    set_time(event, "expires_at", job->expires_at_us);
    set_text(event, "retry_policy", job->retry_policy);
    set_text(event, "idempotency_key", job->idempotency_key);
    set_text(event, "replay_of", job->replay_of);
    json_object_set(event, "metadata", job->metadata);
    set_text(event, "content_type", job->content_type);
    json_array_foreach (job->destinations, index, element)
        json_array_append(names, json_object_get(element, "name"));
    json_object_set_new(event, "destinations", names);
    json_object_set_new(event, "payload_size", json_integer((json_int_t)job->body_size));
    payload = with_payload ? read_payload(job) : NULL;
    if (payload)
        json_object_set_new(event, "payload", payload);
    return event;
}
