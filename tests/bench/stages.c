/*
 * stages - what routing and transformation cost by themselves: no server, no disk, no process to start
 *
 *     stages COUNT
 *
 * Each case does COUNT messages as in a pipe: the line of an envelope is read, the work is done, and lines of
 * envelopes are written. Reports have about 1 KB. A case is done in five parts, and the median of their costs
 * counts, so that a disturbance does not. The answer is one JSON object:
 *
 *   count, body_bytes
 *   routing         {rules_10, rules_1000, prefixes_1000, when_10}
 *   rules_ratio     what a message costs with 1,000 rules, by what it costs with 10
 *   transformation  {identity, json, jq, csv, xml, from_csv, from_xml}
 *
 * and of each case {us, per_core, wall}: microseconds of CPU for a message, those of the worker of jq
 * included; what a core does in a second at that; and what one process really did in a second.
 *
 * In routing one rule matches each message, whatever their number: each names a customer of its own, and so
 * an index finds it. prefixes_1000 is for the opposite: rules that no index can tell apart, all of which are
 * asked. With when_10 the rule has a jq program too.
 *
 * Exit status: 0 measured; 1 something failed; 64 usage.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ceilings.h"
#include "clock.h"
#include "envelope.h"
#include "program.h"
#include "render.h"
#include "route_stage.h"
#include "rulebook.h"
#include "transform_stage.h"
#include "xalloc.h"

enum {
    COUNT_MAX = 10 * 1000 * 1000,
    PARTS = 5,
    LINES = 50, /* different messages */
    CUSTOMERS = 10,
    HOOKS = 7,
    TEXT_MAX = 16 * 1024 * 1024,
    REPORT_LINES = 9, /* of a report, which make 1 KB */
};

/* A case that is measured; what it has not is NULL. */
struct bench {
    const char *name;
    const char *rule_form; /* routing: "match" and more of each rule; a '#' is the rule's number */
    int rule_count;
    const char *rendering; /* transformation: members of the destination's form; "" for none */
    void (*add_body)(struct buf *out, int number); /* NULL: a JSON report */
    const char *content_type;

    struct catalog *catalog;
    struct programs *programs;
    struct rulebook *book;
    struct route_stage route;
    struct render *render;
    struct transform_stage transform;
    char *lines[LINES];
    size_t sizes[LINES];
    struct buf out;
    double us, wall_us; /* of a message */
};

_Noreturn static void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn static void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("stages: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

/* --- messages ------------------------------------------------------------------------------------------ */

static void add_json_report(struct buf *out, int number)
{
    buf_addf(out, "{\"report\":%d,\"customer\":\"c%d\",\"region\":\"eu-%d\",\"amount\":%d.5,\"lines\":[",
             number, number % CUSTOMERS, number % 7, 10 + number);
    for (int i = 0; i < REPORT_LINES; i++)
        buf_addf(out,
                 "%s{\"id\":%d,\"name\":\"node-%d of the \\\"cluster\\\", row "
                 "%d\",\"amount\":%d.25,\"tags\":[\"a\",\"b\"],"
                 "\"ok\":%s}",
                 i ? "," : "", 1000 + i, number, i, i * 7, i % 2 ? "true" : "false");
    buf_adds(out, "]}");
}

static void add_csv_report(struct buf *out, int number)
{
    buf_adds(out, "id,name,amount,state,remark\r\n");
    for (int i = 0; i < 2 * REPORT_LINES; i++)
        buf_addf(out, "%d,\"node-%d of the \"\"cluster\"\", row %d\",%d.25,open,\r\n", 1000 + i, number, i,
                 i * 7);
}

static void add_xml_report(struct buf *out, int number)
{
    buf_addf(out, "<?xml version=\"1.0\"?><report number=\"%d\">", number);
    for (int i = 0; i < REPORT_LINES; i++)
        buf_addf(
            out,
            "<line id=\"%d\"><name>node-%d of the &quot;cluster&quot;, row %d</name><amount>%d.25</amount>"
            "</line>",
            1000 + i, number, i, i * 7);
    buf_adds(out, "</report>");
}

static struct job *make_job(const struct bench *bench, int number)
{
    static const char *const to[] = {"archive"};
    const struct job_defaults defaults = {
        .tenant_id = "acme",
        .data_type = "report",
        .content_type = bench->content_type ? bench->content_type : JOB_DEFAULT_TYPE,
        .to = to,
        .to_count = 1,
    };
    struct fault fault = {0};
    struct buf body;
    struct job *job;

    buf_init(&body, TEXT_MAX);
    (bench->add_body ? bench->add_body : add_json_report)(&body, number);
    if (job_from_payload(body.data, body.len, false, &defaults, clock_wall_us(), &job, &fault))
        die("a report: %s", fault.text);
    job->submitted_at_us = clock_wall_us();
    buf_release(&body);
    return job;
}

/* Routing reads requests; transformation reads deliveries. */
static void make_lines(struct bench *bench)
{
    struct fault fault = {0};

    for (int i = 0; i < LINES; i++) {
        struct job *job = make_job(bench, i);
        struct delivery *delivery = delivery_new(job, "archive");
        delivery_add_candidate(delivery, "archive");
        buf_clear(&bench->out);
        if (bench->rule_form ? envelope_write_request(job, &bench->out, &fault)
                             : envelope_write_delivery(delivery, &bench->out, &fault))
            die("%s: %s", bench->name, fault.text);
        bench->sizes[i] = bench->out.len - 1;
        bench->lines[i] = xmemdupz(bench->out.data, bench->sizes[i]);
        delivery_free(delivery);
        job_unref(job);
    }
}

/* --- routing ------------------------------------------------------------------------------------------- */

static const char by_customer[] = "\"match\":{\"data_type\":[\"report\"],\"payload\":{\"customer\":[\"c#\"],"
                                  "\"amount\":[{\"numeric\":[\">\",5]}]}}";
static const char by_customer_when[] =
    "\"match\":{\"data_type\":[\"report\"],\"payload\":{\"customer\":[\"c#\"]}},"
    "\"when\":\".payload.lines | map(.amount) | add > 5\"";
static const char by_prefix[] =
    "\"match\":{\"data_type\":[\"report\"],\"payload\":{\"customer\":[{\"prefix\":\"c#\"}],"
    "\"amount\":[{\"numeric\":[\">\",5]}]}}";

static void report_mistake(void *arg, const struct rules_mistake *mistake)
{
    (void)arg;
    die("rules: %s: %s", mistake->path, mistake->text);
}

static struct catalog *make_catalog(const char *rendering)
{
    struct catalog *catalog = catalog_new();
    struct fault fault = {0};
    struct buf text;

    buf_init(&text, TEXT_MAX);
    buf_addf(&text, "[{\"name\":\"archive\",\"protocol\":\"null\"%s}", rendering ? rendering : "");
    for (int i = 0; i < HOOKS; i++)
        buf_addf(&text, ",{\"name\":\"hook-%d\",\"protocol\":\"null\"}", i);
    buf_addc(&text, ']');
    if (catalog_add(catalog, text.data, text.len, NULL, "bench", &fault))
        die("destinations: %s", fault.text);
    buf_release(&text);
    return catalog;
}

/* What the rules name replaces what the reports name: one delivery each. */
static void make_book(struct bench *bench)
{
    const struct rulebook_settings settings = {.mode = ROUTE_REPLACE};
    struct fault fault = {0};
    struct buf text;

    buf_init(&text, TEXT_MAX);
    for (int i = 0; i < bench->rule_count; i++) {
        buf_addf(&text, "%s{\"name\":\"rule-%d\",\"to\":[\"hook-%d\"],", i ? "," : "[", i, i % HOOKS);
        for (const char *c = bench->rule_form; *c; c++) {
            if (*c == '#')
                buf_addf(&text, "%d", i);
            else
                buf_addc(&text, *c);
        }
        buf_addc(&text, '}');
    }
    buf_addc(&text, ']');
    const struct rules_source source = {.origin = "bench", .text = text.data, .size = text.len};
    bench->programs = programs_new(&program_limits_default);
    bench->book =
        rulebook_new(bench->catalog, &source, 1, &settings, bench->programs, report_mistake, NULL, &fault);
    bench->route.max_payload = LIMIT_PAYLOAD_DEFAULT;
    route_stage_attach(&bench->route, bench->book);
    buf_release(&text);
}

static int route_one(struct bench *bench, const char *line, size_t size, struct fault *fault)
{
    if (route_stage_line(&bench->route, line, size, &bench->out, fault))
        return -1;
    return strstr(bench->out.data, "\"target\":\"hook-") ? 0 : fault_set(fault, FAULT_BUG, "not routed");
}

/* --- transformation ------------------------------------------------------------------------------------ */

static const char jq_map[] =
    ",\"format\":{\"type\":\"json\"},\"transform\":\"{id: .report, $tenant, lines: (.lines | "
    "map({id, cents: (.amount * 100)}))}\"";

static int transform_one(struct bench *bench, const char *line, size_t size, struct fault *fault)
{
    if (transform_stage_line(&bench->transform, line, size, &bench->out, fault))
        return -1;
    return strstr(bench->out.data, "\"status\":\"waiting\"")
               ? 0
               : fault_set(fault, FAULT_BUG, "%s", bench->out.data);
}

/* --- measuring ----------------------------------------------------------------------------------------- */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    if (clock_gettime(clock, &now))
        die("clock_gettime: %s", strerror(errno));
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* The worker of jq is the only child; 0: there is none. */
static pid_t find_worker(void)
{
    FILE *file = fopen("/proc/thread-self/children", "r");
    int pid = 0;

    if (!file)
        die("/proc/thread-self/children: %s", strerror(errno));
    if (fscanf(file, "%d", &pid) != 1)
        pid = 0;
    fclose(file);
    return pid;
}

/* Of this process and of its worker. */
static int64_t cpu_ns(pid_t worker)
{
    int64_t all = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    clockid_t clock;

    if (worker && clock_getcpuclockid(worker, &clock) == 0)
        all += clock_ns(clock);
    return all;
}

static void do_messages(struct bench *bench, int64_t count)
{
    struct fault fault = {0};

    for (int64_t i = 0; i < count; i++) {
        buf_clear(&bench->out);
        const char *line = bench->lines[i % LINES];
        const size_t size = bench->sizes[i % LINES];
        if (bench->rule_form ? route_one(bench, line, size, &fault)
                             : transform_one(bench, line, size, &fault))
            die("%s: %s", bench->name, fault.text);
    }
}

static int by_value(const void *a, const void *b)
{
    const double one = *(const double *)a, two = *(const double *)b;
    return (one > two) - (one < two);
}

static void measure(struct bench *bench, int64_t count)
{
    const int64_t part = count / PARTS > 0 ? count / PARTS : 1;
    double cpu_us[PARTS], wall_us[PARTS];

    do_messages(bench, part / 2 + 1);
    const pid_t worker = find_worker();
    for (int i = 0; i < PARTS; i++) {
        const int64_t cpu = cpu_ns(worker), wall = clock_ns(CLOCK_MONOTONIC);
        do_messages(bench, part);
        cpu_us[i] = (double)(cpu_ns(worker) - cpu) / 1e3 / (double)part;
        wall_us[i] = (double)(clock_ns(CLOCK_MONOTONIC) - wall) / 1e3 / (double)part;
    }
    qsort(cpu_us, PARTS, sizeof *cpu_us, by_value);
    qsort(wall_us, PARTS, sizeof *wall_us, by_value);
    bench->us = cpu_us[PARTS / 2];
    bench->wall_us = wall_us[PARTS / 2];
}

static void set_up(struct bench *bench)
{
    buf_init(&bench->out, TEXT_MAX);
    bench->catalog = make_catalog(bench->rendering);
    if (bench->rule_form) {
        make_book(bench);
    } else {
        bench->render = render_new(&program_limits_default, TEXT_MAX);
        bench->transform = (struct transform_stage){
            .catalog = bench->catalog, .render = bench->render, .max_payload = LIMIT_PAYLOAD_DEFAULT};
    }
    make_lines(bench);
}

static void tear_down(struct bench *bench)
{
    for (int i = 0; i < LINES; i++)
        free(bench->lines[i]);
    if (bench->rule_form)
        route_stage_release(&bench->route);
    rulebook_free(bench->book);
    programs_free(bench->programs);
    render_free(bench->render);
    catalog_free(bench->catalog);
    buf_release(&bench->out);
}

/* Measures each, and prints the object of all. */
static void run(struct bench *benches, size_t count, int64_t messages)
{
    putchar('{');
    for (size_t i = 0; i < count; i++) {
        set_up(&benches[i]);
        measure(&benches[i], messages);
        tear_down(&benches[i]);
        printf("%s\"%s\":{\"us\":%.2f,\"per_core\":%.0f,\"wall\":%.0f}", i ? "," : "", benches[i].name,
               benches[i].us, 1e6 / benches[i].us, 1e6 / benches[i].wall_us);
    }
    putchar('}');
}

static int64_t parse_count(int argc, char **argv)
{
    char *end;

    if (argc != 2)
        return -1;
    errno = 0;
    long count = strtol(argv[1], &end, 10);
    return errno || end == argv[1] || *end || count < 1 || count > COUNT_MAX ? -1 : count;
}

int main(int argc, char **argv)
{
    const int64_t count = parse_count(argc, argv);

    if (count < 0) {
        fprintf(stderr, "usage: stages COUNT    (messages of each case, 1 to %d)\n", COUNT_MAX);
        return 64;
    }
    struct bench routing[] = {
        {.name = "rules_10", .rule_count = CUSTOMERS, .rule_form = by_customer},
        {.name = "rules_1000", .rule_count = 1000, .rule_form = by_customer},
        {.name = "prefixes_1000", .rule_count = 1000, .rule_form = by_prefix},
        {.name = "when_10", .rule_count = CUSTOMERS, .rule_form = by_customer_when},
    };
    struct bench transformation[] = {
        {.name = "identity"},
        {.name = "json", .rendering = ",\"format\":{\"type\":\"json\"}"},
        {.name = "jq", .rendering = jq_map},
        {.name = "csv", .rendering = ",\"format\":{\"type\":\"csv\",\"rows\":\"/lines\"}"},
        {.name = "xml", .rendering = ",\"format\":\"xml\""},
        {.name = "from_csv",
         .rendering = ",\"input\":\"csv\",\"format\":{\"type\":\"json\"}",
         .add_body = add_csv_report,
         .content_type = "text/csv"},
        {.name = "from_xml",
         .rendering = ",\"input\":\"xml\",\"format\":{\"type\":\"json\"}",
         .add_body = add_xml_report,
         .content_type = "application/xml"},
    };
    struct buf body;

    buf_init(&body, TEXT_MAX);
    add_json_report(&body, 0);
    printf("{\"count\":%" PRId64 ",\"body_bytes\":%zu,\"routing\":", count, body.len);
    buf_release(&body);
    run(routing, sizeof routing / sizeof *routing, count);
    printf(",\"rules_ratio\":%.2f,\"transformation\":", routing[1].us / routing[0].us);
    run(transformation, sizeof transformation / sizeof *transformation, count);
    puts("}");
    return fflush(stdout) ? 1 : 0;
}
