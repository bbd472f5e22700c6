/*
 * form - see form.h
 *
 * The members that every protocol takes and the protocol's own are read as one table, so that an unknown
 * member is seen against everything that is known. Then the protocol's check says what no table of types can.
 * No fault quotes a value that may hold a secret.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include "form.h"
#include "form_parts.h"
#include "job.h"
#include "json.h"
#include "num.h"
#include "status.h"
#include "text.h"
#include "xalloc.h"

static const struct form_kind *const kinds[PROTOCOL_COUNT] = {
    [PROTOCOL_REST] = &form_rest, [PROTOCOL_FILE] = &form_file, [PROTOCOL_EXEC] = &form_exec,
    [PROTOCOL_NULL] = &form_null, [PROTOCOL_AMQP] = &form_amqp, [PROTOCOL_JDBC] = &form_jdbc,
    [PROTOCOL_S3] = &form_s3,     [PROTOCOL_HDFS] = &form_hdfs, [PROTOCOL_SOAP] = &form_soap,
    [PROTOCOL_SMTP] = &form_smtp, [PROTOCOL_SFTP] = &form_sftp,
};

enum {
    TIMEOUT_DEFAULT_MS = 30 * 1000, /* the specification, 2.2.1 */
    TIMEOUT_MIN_MS = 100,
    TIMEOUT_MAX_MS = 60 * 60 * 1000,
    CONCURRENCY_DEFAULT = 20,
    CONCURRENCY_MAX = 1000,
    RATE_MAX = 1000000, /* in any unit */
    TENANTS_MAX = 1000,
    HOST_MAX = 253, /* RFC 1035 section 2.3.4, as text */
};

size_t form_add_fields(struct json_field *out, const struct json_field *fields)
{
    size_t count = 0;
    for (; fields[count].name; count++)
        out[count] = fields[count];
    out[count] = (struct json_field){0};
    return count;
}

bool form_host_is_valid(const char *host, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)host[i]) && (host[i] == 0 || !strchr("-._", host[i])))
            return false;
    return size > 0 && size <= HOST_MAX;
}

/* `credentials` is read as any string and checked afterwards: a fault of json_fields() would quote a name. */
size_t form_common_fields(struct form *form, struct json_field *out)
{
    struct destination *destination = form->destination;
    const struct json_field fields[] = {
        {.name = "name", .kind = JSON_KIND_NAME, .target = &form->name},
        {.name = "description", .kind = JSON_KIND_IGNORED},
        {.name = "protocol", .kind = JSON_KIND_IGNORED},
        {.name = "input", .kind = JSON_KIND_IGNORED},
        {.name = "transform", .kind = JSON_KIND_IGNORED},
        {.name = "format", .kind = JSON_KIND_IGNORED},
        {.name = "charset", .kind = JSON_KIND_IGNORED},
        {.name = "compress", .kind = JSON_KIND_IGNORED},
        {.name = "schema", .kind = JSON_KIND_IGNORED},
        {.name = "credentials", .kind = JSON_KIND_STRING, .target = &destination->credentials},
        {.name = "tenants",
         .kind = JSON_KIND_ARRAY,
         .target = &destination->tenants,
         .min = 1,
         .max = TENANTS_MAX},
        {.name = "disabled", .kind = JSON_KIND_BOOL, .target = &destination->disabled},
        {.name = "timeout",
         .kind = JSON_KIND_SECONDS,
         .target = &destination->timeout_ms,
         .min = TIMEOUT_MIN_MS,
         .max = TIMEOUT_MAX_MS},
        {.name = "concurrency",
         .kind = JSON_KIND_INT,
         .target = &destination->concurrency,
         .min = 1,
         .max = CONCURRENCY_MAX},
        {.name = "rate", .kind = JSON_KIND_STRING, .target = &form->rate},
        {.name = "retry_policy", .kind = JSON_KIND_ANY, .target = &destination->retry_policy},
        {0},
    };
    return form_add_fields(out, fields);
}

/* "50/s", "3000/m", "1/h" */
static int parse_rate(const char *text, double *per_s, struct fault *fault)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"s", 1}, {"m", 60}, {"h", 3600}};
    const char *slash = strchr(text, '/');
    char number[8] = "", cut[40];
    int64_t count;

    if (slash && slash - text < (ptrdiff_t)sizeof number) {
        memcpy(number, text, (size_t)(slash - text));
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (strcmp(slash + 1, units[i].name) == 0 &&
                num_parse_int(number, 1, RATE_MAX, &count, NULL) == 0) {
                *per_s = (double)count / units[i].seconds;
                return 0;
            }
    }
    text_copy(cut, sizeof cut, text);
    return fault_set(fault, FAULT_INPUT,
                     "/rate: a whole number from 1 to %d and its unit is wanted, as \"50/s\", \"3000/m\" or "
                     "\"100/h\", not \"%s\"",
                     RATE_MAX, text_printable(cut));
}

/* What a body may take of the machine is the operator's to say. */
static int check_inputs(const struct destination *destination, struct fault *fault)
{
    for (int i = 0; destination->tenant && i < INPUT_TYPE_COUNT; i++) {
        const struct input *input = destination->rendering->inputs[i];
        if (input && input_check_ceilings(input, "/input", fault))
            return -1;
    }
    return 0;
}

/*
 * Only the operator has programs run for reports, as he has commands. A body that is not what its header says
 * would be no use to anybody.
 */
static int read_rendering(struct destination *destination, struct fault *fault)
{
    destination->rendering = rendering_parse(destination->form, "", true, fault);
    if (!destination->rendering)
        return -1;
    if (destination->tenant && (destination->rendering->program || destination->rendering->program_file))
        return fault_set(fault, FAULT_DENIED,
                         "/transform: only the operator names programs, in a configured destination");
    if (check_inputs(destination, fault))
        return -1;
    const char *name = destination_header(destination, "Content-Encoding");
    if (destination->rendering->gzip && name)
        return fault_set(fault, FAULT_INPUT, "/headers/%s: \"compress\" sets this field", name);
    return 0;
}

/* Who a destination is for is the operator's to say. */
static int check_tenants(const struct destination *destination, struct fault *fault)
{
    json_t *name;
    size_t index;
    char path[40];

    if (destination->tenants && destination->tenant)
        return fault_set(fault, FAULT_DENIED, "/tenants: it is for configured destinations");
    json_array_foreach (destination->tenants, index, name) {
        snprintf(path, sizeof path, "/tenants/%zu", index);
        if (!json_is_string(name))
            return fault_set(fault, FAULT_INPUT, "%s: the name of a tenant is wanted", path);
        if (job_check_name(path, json_string_value(name), fault))
            return -1;
    }
    return 0;
}

static int check_common(struct form *form, struct fault *fault)
{
    struct destination *destination = form->destination;
    struct retry_policy refined;
    if (form->name && strcmp(form->name, destination->name) != 0)
        return fault_set(fault, FAULT_INPUT, "/name: '%s' differs from '%s', by which it is known",
                         form->name, destination->name);
    if (read_rendering(destination, fault))
        return -1;
    if (destination->credentials && !text_is_name(destination->credentials))
        return fault_set(fault, FAULT_INPUT,
                         "/credentials: the name of a stored credential is wanted, not the secret itself");
    if (form->rate && parse_rate(form->rate, &destination->rate_per_s, fault))
        return -1;
    if (destination->tenant && destination->allow_private)
        return fault_set(fault, FAULT_DENIED,
                         "/allow_private: only the operator may open private networks, in a configured "
                         "destination");
    if (check_tenants(destination, fault))
        return -1;
    return retry_policy_refine(retry_policy_by_name("exponential_backoff"), destination->retry_policy,
                               "/retry_policy", &refined, fault);
}

/* "REST, file, exec or null" */
enum { KNOWN_SIZE = 200 };
static const char *list_protocols(char text[KNOWN_SIZE])
{
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0; i < PROTOCOL_COUNT && used < KNOWN_SIZE; i++)
        used += (size_t)snprintf(text + used, KNOWN_SIZE - used, "%s%s",
                                 i == 0                   ? ""
                                 : i + 1 < PROTOCOL_COUNT ? ", "
                                                          : " or ",
                                 protocol_names[i]);
    return text;
}

int form_protocol(const char *name, enum protocol *protocol, struct fault *fault)
{
    char cut[40], known[KNOWN_SIZE];

    for (int i = 0; i < PROTOCOL_COUNT; i++)
        if (strcasecmp(protocol_names[i], name) == 0) {
            *protocol = (enum protocol)i;
            return 0;
        }
    text_copy(cut, sizeof cut, name);
    return fault_set(fault, FAULT_INPUT, "%s is wanted, not \"%s\"", list_protocols(known),
                     text_printable(cut));
}

/* Members of a form are read in the light of its protocol: it comes before them. */
static int read_protocol(struct destination *destination, struct fault *fault)
{
    if (!json_is_object(destination->form))
        return fault_set(fault, FAULT_INPUT, "an object is wanted");
    const json_t *member = json_object_get(destination->form, "protocol");
    const char *protocol = json_string_value(member);
    if (!member)
        return fault_set(fault, FAULT_INPUT, "'protocol' is missing");
    if (form_protocol(protocol ? protocol : "", &destination->protocol, fault))
        return fault_wrap(fault, "/protocol");
    if (kinds[destination->protocol]->operator_only && destination->tenant)
        return fault_set(fault, FAULT_DENIED,
                         "/protocol: '%s' is for configured destinations: only the operator names files and "
                         "commands",
                         protocol_names[destination->protocol]);
    return 0;
}

static int read_form(struct destination *destination, struct fault *fault)
{
    struct json_field fields[FORM_FIELDS_ALL];
    struct form form = {.destination = destination};
    const struct form_kind *kind = kinds[destination->protocol];
    kind->fields(&form, fields + form_common_fields(&form, fields));
    if (json_fields(destination->form, "", fields, fault) || check_common(&form, fault))
        return -1;
    return kind->check ? kind->check(&form, fault) : 0;
}

struct destination *form_destination(const char *name, const json_t *form, const char *tenant,
                                     const char *origin, struct fault *fault)
{
    if (!text_is_name(name)) {
        char cut[60];
        text_copy(cut, sizeof cut, name);
        fault_set(fault, FAULT_INPUT, "'%s' is not a name: letters, digits, '.', '_' and '-'",
                  text_printable(cut));
        return NULL;
    }
    if (!tenant && strcmp(name, "callback") == 0) {
        fault_set(fault, FAULT_INPUT,
                  "'callback' is the name of the deliveries that call back: take another");
        return NULL;
    }
    struct destination *destination = xcalloc(1, sizeof *destination);
    destination->references = 1;
    destination->name = xstrdup(name);
    destination->origin = xstrdup(origin);
    destination->tenant = xstrdup_null(tenant);
    destination->form = json_deep_copy(form);
    destination->timeout_ms = TIMEOUT_DEFAULT_MS;
    destination->concurrency = CONCURRENCY_DEFAULT;
    if (read_protocol(destination, fault) || read_form(destination, fault)) {
        destination_unref(destination);
        return NULL;
    }
    return destination;
}

const struct form_help *form_help(enum protocol protocol)
{
    return kinds[protocol]->help;
}

const struct form_help form_common_help[] = {
    {"protocol", NULL, "how reports get there (required)"},
    {"name", NULL, "the name of the destination; default: that of the file"},
    {"description", "\"\"", "for people; nothing reads it"},
    {"input", NULL,
     "how bodies are read, as \"csv\", or an object with \"type\"; default: by their content type"},
    {"transform", NULL,
     "a jq program, or an object with \"program\" or \"file\" and \"results\"; default: none"},
    {"format", NULL,
     "what bodies become, as \"xml\", or an object with \"type\"; default: \"identity\", as they are"},
    {"charset", NULL, "of the text that the format makes: utf-8, iso-8859-1 or us-ascii; default: utf-8"},
    {"compress", NULL, "\"gzip\" or \"none\", for what is sent; default: none"},
    {"schema", NULL, "the name of a schema that what is sent must fit; default: none"},
    {"credentials", NULL, "the name of a file with secrets in credentials.d; default: none"},
    {"tenants", NULL, "names of the tenants that may use it; default: all"},
    {"disabled", NULL, "true: deliveries wait; default: false"},
    {"timeout", "30", "of one attempt, as seconds or \"1m30s\", 0.1 s to 1 h; default: 30"},
    {"concurrency", NULL, "the most attempts at once of one worker, 1 to 1000; default: 20"},
    {"rate", NULL,
     "attempts that may begin, of all workers: \"50/s\", \"3000/m\", \"100/h\"; default: no limit"},
    {"retry_policy", NULL,
     "the name of a policy, or an object with \"policy\", \"max_attempts\", \"backoff_multiplier\", "
     "\"max_backoff\" (seconds); default: DIST_RETRY_POLICY"},
    {0},
};

static void add_members(json_t *form, const struct form_help *help)
{
    for (; help->name; help++)
        if (help->start) /* of our own tables: a mistake in one is a NULL, which no form takes */
            json_object_set_new(form, help->name, json_loads(help->start, JSON_DECODE_ANY, NULL));
}

json_t *form_start(enum protocol protocol)
{
    json_t *form = json_object();

    if (!form)
        abort(); /* out of memory, as in xalloc */
    json_object_set_new(form, "protocol", json_string(protocol_names[protocol]));
    add_members(form, form_help(protocol));
    add_members(form, form_common_help);
    return form;
}
