/*
 * The JDBC adapter against a PostgreSQL of its own: what becomes of bodies, what each refusal becomes, and
 * that nothing is missing or there twice, whatever ends in the middle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "adapter.h"
#include "certificates.h"
#include "clock.h"
#include "form.h"
#include "pg_server.h"
#include "rows.h"
#include "xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
enum { LIMIT_MS = 15000, TIMEOUT_MS = 8000 };

static struct pg_server server;
static struct event_base *base;
static struct adapter_context context;

static void run(const char *sql)
{
    pg_server_run(&server, sql);
}

static int64_t number(const char *sql)
{
    return pg_server_number(&server, sql);
}

/* Whether the query says so. */
static void assert_true_in_sql(const char *sql)
{
    char *query = xasprintf("SELECT CASE WHEN (%s) THEN 1 ELSE 0 END", sql);

    if (number(query) != 1)
        fail_msg("not so: %s", sql);
    free(query);
}

/* Destinations */

static char *quoted(const char *text)
{
    char *copy = xstrdup(text);

    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    return copy;
}

/* `url` with what stands behind it in the form. */
static struct destination *destination_at(const char *url, const char *more)
{
    struct fault fault = {0};
    char *text =
        xasprintf("{'protocol':'JDBC','connection':{'url':'%s','credentials':{'username':'{username}',"
                  "'password':'{secret}'}}%s}",
                  url, more);
    char *json = quoted(text);
    json_t *form = json_loads(json, 0, NULL);

    assert_non_null(form);
    if (!json_object_get(form, "timeout"))
        json_object_set_new(form, "timeout", json_real(TIMEOUT_MS / 1000.0));
    struct destination *destination = form_destination("table", form, NULL, "test", &fault);
    if (!destination)
        fail_msg("%s: %s", json, fault.text);
    json_decref(form);
    free(json);
    free(text);
    return destination;
}

static char *tcp_url(const char *parameters)
{
    return xasprintf("jdbc:postgresql://127.0.0.1:%d/postgres%s", server.port, parameters);
}

static struct destination *destination_of(const char *more)
{
    char *url = xasprintf("postgresql:///postgres?host=%s&port=%d", server.folder, server.port);
    struct destination *destination = destination_at(url, more);

    free(url);
    return destination;
}

/* Attempts */

struct result {
    int done;
    enum outcome_kind kind;
    bool overload, local;
    int code;
    char reason[40], text[500];
};

static size_t waiting;
static struct attempt_handle *last_handle; /* the last one */

static void on_done(void *arg, struct outcome *outcome)
{
    struct result *result = arg;

    rows_saw(&outcomes_jdbc, outcome);
    *result = (struct result){
        result->done + 1, outcome->kind, outcome->overload, outcome->local, outcome->code, "", ""};
    snprintf(result->reason, sizeof result->reason, "%s", outcome->reason);
    snprintf(result->text, sizeof result->text, "%s", outcome->text);
    waiting--;
}

static struct secret secret = {.username = (char *)"dist", .password = (char *)"a good password"};

static void begin(const struct destination *destination, const char *id, const char *body, size_t size,
                  struct result *result)
{
    const struct attempt attempt = {
        .destination = destination,
        .secret = &secret,
        .message_id = id,
        .distribution_id = "d-1",
        .tenant_id = "acme",
        .data_type = "report",
        .date = "2024-01-15",
        .content_type = "application/json",
        .body = body,
        .body_size = size,
        .number = 1,
    };

    result->done = 0;
    waiting++;
    last_handle = adapter_for(PROTOCOL_JDBC)->start(&context, &attempt, on_done, result);
}

static void finish(void)
{
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;

    while (waiting > 0) {
        assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
        if (clock_mono_ms() > end_ms)
            fail_msg("%zu attempts have no outcome", waiting);
    }
}

static struct result attempt_bytes(const struct destination *destination, const char *id, const char *body,
                                   size_t size)
{
    struct result result = {0};

    begin(destination, id, body, size, &result);
    finish();
    assert_int_equal(result.done, 1);
    return result;
}

static struct result attempt_of(const struct destination *destination, const char *id, const char *body)
{
    char *json = quoted(body);
    struct result result = attempt_bytes(destination, id, json, strlen(json));

    free(json);
    return result;
}

static void assert_outcome(const struct result *result, enum outcome_kind kind, const char *reason,
                           const char *text)
{
    if (result->kind != kind || strcmp(result->reason, reason) != 0 || !strstr(result->text, text))
        fail_msg("%s, %s: %s", outcome_kind_names[result->kind], result->reason, result->text);
    assert_null(strstr(result->text, secret.password));
}

static void assert_delivered(const struct destination *destination, const char *id, const char *body)
{
    struct result result = attempt_of(destination, id, body);

    assert_outcome(&result, OUTCOME_DELIVERED, "written", "");
}

/* Of one destination that is used once. */
static void assert_once(const char *more, const char *id, const char *body, enum outcome_kind kind,
                        const char *reason, const char *text)
{
    struct destination *destination = destination_of(more);
    struct result result = attempt_of(destination, id, body);

    assert_outcome(&result, kind, reason, text);
    destination_unref(destination);
}

/* Surroundings */

/* In the place of the C library's: whether this process gets no further thread. */
static bool no_threads;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run_it)(void *), void *arg)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    void *symbol = dlsym(RTLD_NEXT, "pthread_create");

    memcpy(&create, &symbol, sizeof create);
    return no_threads ? EAGAIN : create(thread, attributes, run_it, arg);
}

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void shell(const char *format, ...)
{
    char command[1000];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    if (system(command) != 0)
        fail_msg("%s", command);
}

/* TLS and passwords over TCP, trust over the socket. */
static int group_setup(void **state)
{
    (void)state;
    server.port = free_port();
    pg_server_create(&server);
    certificate_make(server.folder, &(struct certificate){.name = "ca"});
    certificate_make(server.folder, &(struct certificate){.name = "other"});
    certificate_make(server.folder,
                     &(struct certificate){.name = "server", .issuer = "ca", .names = "IP:127.0.0.1"});
    certificate_make(server.folder, &(struct certificate){.name = "mine", .issuer = "ca", .names = "DNS:me"});
    shell("cd %s && chown --reference=data server.key ca.crt && chmod 600 *.key", server.folder);
    shell("cd %s/data && cat > pg_hba.conf <<'END'\n"
          "local all all trust\n"
          "hostssl all cert_user 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n"
          "hostnossl all plain 127.0.0.1/32 scram-sha-256\n"
          "hostssl all all 127.0.0.1/32 scram-sha-256\nEND",
          server.folder);
    shell("cat >> %s/data/postgresql.conf <<END\nssl = on\nssl_cert_file = '%s/server.crt'\n"
          "ssl_key_file = '%s/server.key'\nssl_ca_file = '%s/ca.crt'\nEND",
          server.folder, server.folder, server.folder, server.folder);
    pg_server_stop(&server);
    pg_server_start(&server);
    run("ALTER ROLE dist PASSWORD 'a good password'; CREATE ROLE cert_user LOGIN PASSWORD 'a good password'; "
        "CREATE ROLE plain LOGIN PASSWORD 'a good password'; CREATE TABLE tls (n integer); "
        "GRANT ALL ON tls TO PUBLIC");
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    pg_server_remove(&server);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    waiting = 0;
    base = event_base_new();
    return adapter_context_init(&context, base, true, NULL, NULL);
}

static int teardown(void **state)
{
    (void)state;
    adapter_context_release(&context);
    event_base_free(base);
    return 0;
}

/* What becomes of bodies */

static void members_go_to_the_columns_of_their_names(void **state)
{
    struct destination *destination = destination_of(",'table':'public.named'");

    (void)state;
    run("CREATE TABLE named (n integer, \"Total Sum\" numeric, at timestamptz, tags text[], more jsonb, "
        "ok boolean DEFAULT true, note text DEFAULT 'none')");
    assert_delivered(destination, "m1",
                     "{'n': 1, 'Total Sum': 12345678901234567890.123456789, 'at': '2024-01-15T10:00:00Z', "
                     "'tags': ['a', 'b,c'], 'more': {'x': [1.50]}, 'note': null}");
    assert_delivered(destination, "m2", "[{'n': 2, 'ok': false}, {'n': 3}, {'ok': null, 'n': 4}]");
    assert_delivered(destination, "m3", "[]");
    assert_int_equal(number("SELECT count(*) FROM named"), 4);
    assert_true_in_sql(
        "(SELECT \"Total Sum\" = 12345678901234567890.123456789 AND at = '2024-01-15 10:00Z' AND "
        "tags = ARRAY['a', 'b,c'] AND more = '{\"x\": [1.50]}' AND ok AND note IS NULL "
        "FROM named WHERE n = 1)");
    assert_true_in_sql("(SELECT NOT ok AND note = 'none' FROM named WHERE n = 2)");
    assert_true_in_sql("(SELECT ok FROM named WHERE n = 3)");
    assert_true_in_sql("(SELECT ok IS NULL FROM named WHERE n = 4)");
    run("ALTER TABLE named ADD COLUMN late integer"); /* the connection stays */
    assert_delivered(destination, "m4", "{'n': 5, 'late': 6}");
    destination_unref(destination);
}

static void columns_take_parts_of_the_body_and_values_of_the_form(void **state)
{
    struct destination *destination = destination_of(
        ",'table':'mapped','columns':{'city':'to.address.city','first':'/items/0/id','whole':'.'},"
        "'values':{'tenant':'{tenant_id}/{data_type}','day':'{date}'},'key_column':'id','row_column':'line'");

    (void)state;
    run("CREATE TABLE mapped (id text, line integer, city text, first bigint, whole json, tenant text, day "
        "date, "
        "PRIMARY KEY (id, line))");
    assert_delivered(destination, "m1",
                     "[{'to': {'address': {'city': 'Roma \\u00e8'}}, 'items': [{'id': 7}]}, "
                     "{'to': 5}]");
    assert_true_in_sql("(SELECT city = 'Roma è' AND first = 7 AND tenant = 'acme/report' AND "
                       "day = '2024-01-15' FROM mapped WHERE id = 'm1' AND line = 1)");
    assert_true_in_sql("(SELECT city IS NULL AND whole::text LIKE '{\"to\": 5}' FROM mapped WHERE line = 2)");
    destination_unref(destination);
}

static void the_whole_body_goes_into_one_column(void **state)
{
    static const struct {
        const char *type, *body;
        size_t size;
        const char *is;
    } cases[] = {
        {"json", " {\"a\":  1.50,\n \"b\": \"\\\\ \\t\"} ", 29,
         "body::text = E'{\"a\":  1.50,\\n \"b\": \"\\\\\\\\ \\\\t\"}'"},
        {"jsonb", "[{\"a\": 1}, {\"a\": 2}]", 20, "body->1->'a' = '2'"},
        {"bytea", "\0\xff\\x'\"\n", 7, "body = '\\x00ff5c7827220a'"},
        {"text", "caf\xc3\xa9 \x01\n\t\\ \"q\"", 14, "body = E'caf\\u00e9 \\x01\\n\\t\\\\ \"q\"'"},
        {"text", "", 0, "body = ''"},
        {"varchar(5)", "12345", 5, "body = '12345'"},
        {"of_json", "{\"a\": 1.50}", 11, "body::text = '{\"a\": 1.50}'"}, /* a domain over a domain */
        {"of_bytea", "\0\xff", 2, "body = '\\x00ff'"},
    };

    (void)state;
    run("CREATE DOMAIN some_json AS json; CREATE DOMAIN of_json AS some_json; CREATE DOMAIN of_bytea AS "
        "bytea");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct destination *destination =
            destination_of(",'table':'bodies','body_column':'body','key_column':'id'");
        char *create = xasprintf(
            "DROP TABLE IF EXISTS bodies; CREATE TABLE bodies (id text PRIMARY KEY, body %s)", cases[i].type);
        run(create);
        struct result result = attempt_bytes(destination, "m1", cases[i].body, cases[i].size);
        assert_outcome(&result, OUTCOME_DELIVERED, "written", "");
        char *query = xasprintf("(SELECT id = 'm1' AND %s FROM bodies)", cases[i].is);
        assert_true_in_sql(query);
        free(query);
        free(create);
        destination_unref(destination);
    }
}

static void a_body_that_is_no_rows_is_rejected(void **state)
{
    static const struct {
        const char *more, *body, *reason, *text;
    } cases[] = {
        {"", "{'n': ", "body", "the body is no JSON"},
        {"", "", "body", "the body is empty"},
        {"", "5", "body", "neither an object nor an array"},
        {"", "[{'n': 1}, 5]", "body", "a row is a JSON object"},
        {"", "[{'n': 1}, {'m': 1}]", "body", "row 2: the table has no column for the member 'm'"},
        {"", "{}", "body", "no value for any column"},
        {",'key_column':'id'", "[{'n': 1}, {'n': 2}]", "configuration", "row_column"},
        {",'columns':{'id':'key'},'key_column':'id'", "{'n': 1}", "body", "no value for the key column 'id'"},
        {",'values':{'n':'1'}", "{'n': 1}", "body", "another value to the column of the member 'n'"},
        {",'body_column':'raw'", "\xff", "body", "the body is no JSON"},
        {",'body_column':'id'", "\xff", "body", "no text of UTF-8"},
    };

    (void)state;
    run("CREATE TABLE unfit (id text PRIMARY KEY, n integer, raw jsonb)");
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *more = xasprintf(",'table':'unfit'%s", cases[i].more);
        assert_once(more, "m1", cases[i].body, OUTCOME_REJECTED, cases[i].reason, cases[i].text);
        free(more);
    }
    assert_int_equal(number("SELECT count(*) FROM unfit"), 0);
}

static void a_second_attempt_writes_nothing_twice(void **state)
{
    struct destination *nothing = destination_of(",'table':'keyed','key_column':'id'");
    struct destination *update = destination_of(",'table':'keyed','key_column':'id','upsert':'update'");
    struct destination *mapped = destination_of(
        ",'table':'keyed','columns':{'id':'order','n':'n'},'key_column':'id','upsert':'update'");

    (void)state;
    run("CREATE TABLE keyed (id text PRIMARY KEY, n integer, kept integer DEFAULT 1)");
    for (int i = 0; i < 3; i++)
        assert_delivered(nothing, "m1", "{'n': 1}");
    assert_delivered(nothing, "m1", "{'n': 2}");
    assert_true_in_sql("(SELECT count(*) = 1 AND min(n) = 1 FROM keyed)");
    run("UPDATE keyed SET kept = 5");
    assert_delivered(update, "m1", "{'n': 3}");
    assert_true_in_sql("(SELECT count(*) = 1 AND min(n) = 3 AND min(kept) = 5 FROM keyed)");
    assert_delivered(mapped, "m2", "[{'order': 'o1', 'n': 1}, {'order': 'o2', 'n': 2}]");
    assert_delivered(mapped, "m3", "{'order': 'o2', 'n': 3}");
    assert_true_in_sql("(SELECT count(*) = 3 AND sum(n) = 7 FROM keyed)");
    struct result result = attempt_of(mapped, "m4", "[{'order': 'o3', 'n': 1}, {'order': 'o3', 'n': 2}]");
    assert_outcome(&result, OUTCOME_REJECTED, "data", "SQLSTATE 21000");
    destination_unref(nothing);
    destination_unref(update);
    destination_unref(mapped);
}

/* Many at once */

static void a_bad_row_rejects_its_own_delivery_alone(void **state)
{
    enum { MANY = 100 };
    static struct result results[MANY];
    struct destination *destination = destination_of(",'table':'mixed','key_column':'id'");

    (void)state;
    run("CREATE TABLE mixed (id text PRIMARY KEY, n integer CHECK (n < 1000), name varchar(10))");
    for (int i = 0; i < MANY; i++) {
        static const char *const bad[] = {"\"x\"", "1000", "99999999999"};
        char id[20], body[80];
        snprintf(id, sizeof id, "m%d", i);
        snprintf(body, sizeof body, "[{\"n\": %s, \"name\": \"%s\"}]", i % 31 == 5 ? bad[i % 3] : "1",
                 i == 50 ? "longer than ten" : "short");
        begin(destination, id, body, strlen(body), &results[i]);
    }
    finish();
    for (int i = 0; i < MANY; i++) {
        bool is_bad = i % 31 == 5 || i == 50;
        assert_int_equal(results[i].done, 1);
        if (results[i].kind != (is_bad ? OUTCOME_REJECTED : OUTCOME_DELIVERED))
            fail_msg("%d: %s %s", i, results[i].reason, results[i].text);
    }
    assert_outcome(&results[50], OUTCOME_REJECTED, "data", "SQLSTATE 22001");
    assert_int_equal(results[50].code, 22001);
    assert_outcome(&results[36], OUTCOME_REJECTED, "data", "SQLSTATE 22P02"); /* 36 % 3 == 0 */
    assert_int_equal(results[36].code, 0);
    assert_non_null(strstr(results[36].text, "type integer: ...")); /* the value is the report's */
    assert_int_equal(number("SELECT count(*) FROM mixed"), MANY - 5);
    destination_unref(destination);
}

static void a_row_that_an_operator_has_to_mend_holds_up_no_other(void **state)
{
    enum { MANY = 60 };
    static struct result results[MANY];
    static const struct {
        const char *body, *state;
    } bad[] = {{"{\"g\": 1}", "428C9"}, {"{\"n\": 7}", "XX000"}, {"{\"n\": 8}", "57014"}};
    struct destination *destination = destination_of(",'table':'half','timeout':4");
    int64_t began_ms = clock_mono_ms();

    (void)state;
    run("CREATE TABLE half (n integer, g integer GENERATED ALWAYS AS IDENTITY); "
        "CREATE FUNCTION half() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.n = 7 THEN RAISE 'no' USING ERRCODE = 'XX000'; END IF; "
        "IF NEW.n = 8 THEN PERFORM pg_sleep(60); END IF; RETURN NEW; END $$; "
        "CREATE TRIGGER half BEFORE INSERT ON half FOR EACH ROW EXECUTE FUNCTION half()");
    for (int i = 0; i < MANY; i++) {
        const char *body = i % 25 == 9 ? bad[i / 25].body : "{\"n\": 1}";
        begin(destination, "m", body, strlen(body), &results[i]);
    }
    finish();
    for (int i = 0; i < MANY; i++) {
        if (i % 25 == 9)
            assert_outcome(&results[i], OUTCOME_DEFERRED, results[i].reason, bad[i / 25].state);
        else
            assert_outcome(&results[i], OUTCOME_DELIVERED, "written", "");
    }
    assert_int_equal(number("SELECT count(*) FROM half"), MANY - 3);
    assert_true(clock_mono_ms() - began_ms < 4000);
    destination_unref(destination);
}

static void what_waits_together_is_written_together(void **state)
{
    enum { MANY = 100 };
    static struct result results[MANY];
    struct destination *destination = destination_of(",'table':'together'");

    (void)state;
    run("CREATE TABLE together (n integer, m integer)");
    for (int i = 0; i < MANY; i++) {
        const char *body = i % 2 ? "{\"n\": 1}" : "{\"n\": 1, \"m\": 2}";
        begin(destination, "m", body, strlen(body), &results[i]);
    }
    finish();
    for (int i = 0; i < MANY; i++)
        assert_outcome(&results[i], OUTCOME_DELIVERED, "written", "");
    assert_true_in_sql("(SELECT count(*) = 100 AND sum(m) = 100 FROM together)");
    assert_true_in_sql("(SELECT count(DISTINCT xmin::text) < 20 FROM together)"); /* transactions */
    destination_unref(destination);
}

static void a_transaction_is_as_the_form_has_it(void **state)
{
    enum { MANY = 30 };
    static struct result results[MANY];
    struct destination *destination =
        destination_of(",'table':'leveled','batch_size':7,'isolation_level':'REPEATABLE_READ'");

    (void)state;
    run("CREATE TABLE leveled (n integer, level text DEFAULT current_setting('transaction_isolation'), "
        "sync text DEFAULT current_setting('synchronous_commit')); ALTER ROLE dist SET synchronous_commit = "
        "off");
    for (int i = 0; i < MANY; i++)
        begin(destination, "m", "{\"n\": 1}", 8, &results[i]);
    finish();
    run("ALTER ROLE dist RESET synchronous_commit");
    assert_true_in_sql(
        "(SELECT count(*) = 30 AND bool_and(level = 'repeatable read' AND sync = 'on') FROM leveled)");
    assert_true_in_sql("(SELECT count(DISTINCT xmin::text) >= 5 FROM leveled)");
    destination_unref(destination);
}

static void a_constraint_that_waits_for_commit_rejects_its_own_delivery_alone(void **state)
{
    static struct result results[10];
    struct destination *destination = destination_of(",'table':'child','key_column':'id'");

    (void)state;
    run("CREATE TABLE parent (n integer PRIMARY KEY); INSERT INTO parent VALUES (1); CREATE TABLE child "
        "(id text PRIMARY KEY, n integer REFERENCES parent DEFERRABLE INITIALLY DEFERRED)");
    for (size_t i = 0; i < COUNT(results); i++) {
        char id[20];
        const char *body = i == 7 ? "{\"n\": 2}" : "{\"n\": 1}";
        snprintf(id, sizeof id, "m%zu", i);
        begin(destination, id, body, strlen(body), &results[i]);
    }
    finish();
    for (size_t i = 0; i < COUNT(results); i++)
        assert_outcome(&results[i], i == 7 ? OUTCOME_REJECTED : OUTCOME_DELIVERED,
                       i == 7 ? "constraint" : "written", i == 7 ? "SQLSTATE 23503" : "");
    assert_int_equal(number("SELECT count(*) FROM child"), 9);
    destination_unref(destination);
}

/* An array of so many rows. */
static char *many_rows(int count)
{
    struct buf body;

    buf_init(&body, 10000000);
    for (int i = 1; i <= count; i++)
        buf_addf(&body, "%c{\"n\": %d, \"text\":\n\"a\\\\b\\t%d\"}", i == 1 ? '[' : ',', i, i);
    buf_addc(&body, ']');
    return buf_steal(&body, NULL);
}

static int64_t copies_in_log(void)
{
    char command[200], line[40] = "";

    snprintf(command, sizeof command, "grep -c 'statement: COPY pg_temp.dist_rows' %s/log", server.folder);
    FILE *output = popen(command, "re");
    assert_non_null(output);
    assert_non_null(fgets(line, sizeof line, output));
    pclose(output);
    return strtoll(line, NULL, 10);
}

static void many_rows_go_by_copy_where_the_role_may(void **state)
{
    struct destination *destination =
        destination_of(",'table':'copied','key_column':'id','row_column':'line','timeout':15");
    char *body = many_rows(5000);

    (void)state;
    run("CREATE TABLE copied (id text, line integer, n integer, text text, PRIMARY KEY (id, line)); "
        "ALTER ROLE dist SET log_statement = 'all'");
    for (int i = 0; i < 2; i++) {
        struct result result = attempt_bytes(destination, "m1", body, strlen(body));
        assert_outcome(&result, OUTCOME_DELIVERED, "written", "");
    }
    assert_true_in_sql("(SELECT count(*) = 5000 AND sum(n) = 12502500 AND bool_and(line = n AND text = "
                       "E'a\\\\b\\t' || n) FROM copied)");
    assert_int_equal(copies_in_log(), 2);
    run("ALTER ROLE dist RESET log_statement; REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC; "
        "CREATE ROLE few LOGIN; GRANT ALL ON copied TO few");
    secret.username = (char *)"few";
    struct destination *few =
        destination_of(",'table':'copied','key_column':'id','row_column':'line','description':'few'");
    struct result result = attempt_bytes(few, "m2", body, strlen(body));
    secret.username = (char *)"dist";
    assert_outcome(&result, OUTCOME_DELIVERED, "written", "");
    assert_int_equal(number("SELECT count(*) FROM copied"), 10000);
    run("GRANT TEMPORARY ON DATABASE postgres TO PUBLIC");
    destination_unref(destination);
    destination_unref(few);
    free(body);
}

/* Refusals */

/* A trigger that raises what the row says stands for what cannot be brought about at will. */
static void many_rows_go_by_value_where_no_table_may_be_made(void **state)
{
    struct destination *destination = destination_of(",'table':'unstaged'");
    struct buf body;

    (void)state;
    run("CREATE TABLE unstaged (n integer); CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql "
        "AS "
        "$$ BEGIN RAISE 'no tables'; END $$; "
        "CREATE EVENT TRIGGER forbid ON ddl_command_start WHEN TAG IN ('CREATE TABLE') "
        "EXECUTE FUNCTION forbid()");
    buf_init(&body, 1000000);
    for (int i = 0; i < 2000; i++)
        buf_addf(&body, "%c{\"n\": %d}", i ? ',' : '[', i);
    buf_addc(&body, ']');
    struct result result = attempt_bytes(destination, "m1", body.data, body.len);
    run("DROP EVENT TRIGGER forbid");
    assert_outcome(&result, OUTCOME_DELIVERED, "written", "");
    assert_int_equal(number("SELECT count(*) FROM unstaged"), 2000);
    buf_release(&body);
    destination_unref(destination);
}

static void each_state_has_its_outcome(void **state)
{
    static const struct {
        const char *state, *reason;
        enum outcome_kind kind;
        bool overload;
    } cases[] = {
        {"08000", "connection", OUTCOME_DEFERRED, false},
        {"0A000", "unsupported", OUTCOME_DEFERRED, false},
        {"22003", "data", OUTCOME_REJECTED, false},
        {"23505", "duplicate", OUTCOME_REJECTED, false},
        {"23514", "constraint", OUTCOME_REJECTED, false},
        {"25006", "read_only", OUTCOME_DEFERRED, false},
        {"25P02", "transaction", OUTCOME_DEFERRED, false},
        {"28000", "login", OUTCOME_DEFERRED, false},
        {"3D000", "no_database", OUTCOME_DEFERRED, false},
        {"3F000", "no_schema", OUTCOME_DEFERRED, false},
        {"40001", "serialization", OUTCOME_DEFERRED, false},
        {"40P01", "deadlock", OUTCOME_DEFERRED, false},
        {"40002", "rollback", OUTCOME_DEFERRED, false},
        {"42804", "statement", OUTCOME_DEFERRED, false},
        {"44000", "constraint", OUTCOME_REJECTED, false},
        {"53100", "full", OUTCOME_DEFERRED, false},
        {"53200", "resources", OUTCOME_DEFERRED, true},
        {"53300", "connections", OUTCOME_DEFERRED, true},
        {"54000", "limit", OUTCOME_REJECTED, false},
        {"55000", "state", OUTCOME_DEFERRED, false},
        {"55P03", "lock", OUTCOME_DEFERRED, true},
        {"57014", "canceled", OUTCOME_DEFERRED, true},
        {"57P03", "shutdown", OUTCOME_DEFERRED, false},
        {"58030", "system_error", OUTCOME_DEFERRED, false},
        {"P0001", "raised", OUTCOME_REJECTED, false},
        {"XX001", "internal", OUTCOME_DEFERRED, false},
        {"HV000", "unknown", OUTCOME_DEFERRED, false},
    };
    struct destination *destination = destination_of(",'table':'raising'");

    (void)state;
    run("CREATE TABLE raising (state text); CREATE FUNCTION raise_it() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ "
        "BEGIN RAISE EXCEPTION 'as asked' USING ERRCODE = NEW.state; END $$; CREATE TRIGGER raising BEFORE "
        "INSERT ON raising FOR EACH ROW EXECUTE FUNCTION raise_it()");
    for (size_t i = 0; i < COUNT(cases); i++) {
        char body[40];
        snprintf(body, sizeof body, "{'state': '%s'}", cases[i].state);
        struct result result = attempt_of(destination, "m1", body);
        assert_outcome(&result, cases[i].kind, cases[i].reason, cases[i].state);
        assert_int_equal(result.overload, cases[i].overload);
        assert_false(result.local);
    }
    destination_unref(destination);
}

static void what_an_operator_mends_is_deferred(void **state)
{
    (void)state;
    run("CREATE TABLE mended (id text, n integer); CREATE ROLE nobody_here LOGIN");
    assert_once(",'table':'missing'", "m1", "{'n': 1}", OUTCOME_DEFERRED, "no_table", "42P01");
    assert_once(",'table':'no.missing'", "m1", "{'n': 1}", OUTCOME_DEFERRED, "no_schema", "3F000");
    assert_once(",'table':'mended','columns':{'m':'n'}", "m1", "{'n': 1}", OUTCOME_DEFERRED, "no_column",
                "no column \"m\"");
    assert_once(",'table':'mended','key_column':'id'", "m1", "{'n': 1}", OUTCOME_DEFERRED, "no_key", "42P10");
    secret.username = (char *)"nobody_here";
    assert_once(",'table':'mended','description':'of nobody'", "m1", "{'n': 1}", OUTCOME_DEFERRED,
                "privilege", "42501");
    secret.username = (char *)"dist";
    assert_int_equal(number("SELECT count(*) FROM mended"), 0);
}

static void a_check_finds_what_is_wrong_and_writes_nothing(void **state)
{
    static const struct {
        const char *more;
        enum fault_class class;
        const char *text;
    } cases[] = {
        {",'table':'checked','key_column':'id'", FAULT_NONE, ""},
        {",'table':'unchecked'", FAULT_UNAVAILABLE, "SQLSTATE 42P01"},
        {",'table':'checked','body_column':'body'", FAULT_UNAVAILABLE, "no column \"body\""},
    };

    (void)state;
    run("CREATE TABLE checked (id text, n integer)");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct destination *destination = destination_of(cases[i].more);
        struct fault fault = {0};
        int result = adapter_for(PROTOCOL_JDBC)->check(&context, destination, &secret, &fault);
        assert_int_equal(result, cases[i].class ? -1 : 0);
        assert_int_equal(fault.class, cases[i].class);
        assert_non_null(strstr(fault.text, cases[i].text));
        destination_unref(destination);
    }
    assert_int_equal(number("SELECT count(*) FROM checked"), 0);
}

/* Connections */

static struct result attempt_at(const char *url, const char *more)
{
    char *all = xasprintf(",'table':'tls'%s", more);
    struct destination *destination = destination_at(url, all);
    struct result result = attempt_of(destination, "m1", "{'n': 1}");

    free(all);
    destination_unref(destination);
    return result;
}

static void a_wrong_password_is_deferred_and_shown_nowhere(void **state)
{
    char *url = tcp_url(""), *other = tcp_url("?ApplicationName=other"),
         *none = tcp_url("?ApplicationName=none");
    char *nowhere = xasprintf("postgresql://127.0.0.1:%d/nowhere", server.port);
    struct result result = attempt_at(url, "");

    (void)state;
    assert_outcome(&result, OUTCOME_DELIVERED, "written", "");
    secret.password = (char *)"hunter2 hunter2";
    result = attempt_at(other, "");
    assert_outcome(&result, OUTCOME_DEFERRED, "login", "SQLSTATE 28P01");
    assert_int_equal(result.code, 0);
    secret.username = NULL;
    result = attempt_at(none, "");
    assert_outcome(&result, OUTCOME_DEFERRED, "credentials", "/connection/credentials/username: no value");
    secret.username = (char *)"dist";
    secret.password = NULL;
    setenv("PGPASSWORD", "a good password", 1); /* ours is not for others */
    result = attempt_at(none, "");
    unsetenv("PGPASSWORD");
    secret.password = (char *)"a good password";
    assert_outcome(&result, OUTCOME_DEFERRED, "login", "28P01");
    result = attempt_at(nowhere, "");
    assert_outcome(&result, OUTCOME_DEFERRED, "no_database", "3D000");
    assert_int_equal(number("SELECT count(*) FROM tls"), 1);
    free(url);
    free(other);
    free(none);
    free(nowhere);
}

static void only_a_trusted_server_is_spoken_to(void **state)
{
    char *url = tcp_url(""), *full = tcp_url("?ssl=true"), *off = tcp_url("?sslmode=disable");
    char *ca = xasprintf(",'tls':{'ca_file':'%s/ca.crt'}", server.folder);
    char *other = xasprintf(",'tls':{'ca_file':'%s/other.crt'}", server.folder);
    char *name = xasprintf(",'tls':{'ca_file':'%s/ca.crt','server_name':'db.example.com'}", server.folder);
    char *mine =
        xasprintf(",'tls':{'ca_file':'%s/ca.crt','cert_file':'%s/mine.crt','key_file':'%s/mine.key'}",
                  server.folder, server.folder, server.folder);
    char *in_url = xasprintf("?sslmode=verify-ca&sslrootcert=%s/ca.crt", server.folder);
    char *by_url = tcp_url(in_url);

    (void)state;
    run("TRUNCATE tls");
    struct result result = attempt_at(url, ca);
    assert_outcome(&result, OUTCOME_DELIVERED, "written", "");
    result = attempt_at(by_url, "");
    assert_outcome(&result, OUTCOME_DELIVERED, "written", "");
    result = attempt_at(url, other);
    assert_outcome(&result, OUTCOME_DEFERRED, "tls", "certificate verify failed");
    result = attempt_at(url, name);
    assert_outcome(&result, OUTCOME_DEFERRED, "tls", "does not match host name");
    result = attempt_at(full, ""); /* no authority of the system's signed it */
    assert_outcome(&result, OUTCOME_DEFERRED, "tls", "certificate");
    result = attempt_at(off, "");
    assert_outcome(&result, OUTCOME_DEFERRED, "login", "28000"); /* the server wants TLS */
    secret.username = (char *)"cert_user"; /* of a connection of its own: its form is another one */
    char *without = xasprintf("%s,'description':'without'", ca);
    result = attempt_at(url, without);
    free(without);
    assert_outcome(&result, OUTCOME_DEFERRED, "login", "28000");
    result = attempt_at(url, mine);
    assert_outcome(&result, OUTCOME_DELIVERED, "written", "");
    secret.username = (char *)"plain";
    result = attempt_at(off, ",'description':'plain'");
    assert_outcome(&result, OUTCOME_DELIVERED, "written", "");
    secret.username = (char *)"dist";
    assert_int_equal(number("SELECT count(*) FROM tls"), 4);
    free(url);
    free(full);
    free(off);
    free(ca);
    free(other);
    free(name);
    free(mine);
    free(in_url);
    free(by_url);
}

static void a_private_address_is_refused_before_it_is_connected_to(void **state)
{
    char *url = tcp_url("");

    (void)state;
    context.allow_private = false;
    struct result result = attempt_at(url, "");
    assert_outcome(&result, OUTCOME_REJECTED, "refused_address", "127.0.0.1 is refused: loopback");
    assert_true(result.local);
    result = attempt_at("postgresql://[::ffff:127.0.0.1]:1,localhost:1/d", "");
    assert_outcome(&result, OUTCOME_REJECTED, "refused_address", "loopback");
    result = attempt_at(url, ",'allow_private':true");
    assert_outcome(&result, OUTCOME_DELIVERED, "written", "");
    free(url);
}

static void the_operators_lists_hold_with_their_ports(void **state)
{
    struct guard_lists *lists = guard_lists_new(NULL);
    char *url = tcp_url(""), *network = xasprintf("127.0.0.1:%d", server.port);

    (void)state;
    assert_int_equal(guard_lists_add(lists, GUARD_DENY, network, NULL), 0);
    context.networks = lists;
    struct result result = attempt_at(url, "");
    assert_outcome(&result, OUTCOME_REJECTED, "refused_address", "denied by networks.json (127.0.0.1:");
    result = attempt_at("postgresql://127.0.0.1:1/d", "");
    assert_outcome(&result, OUTCOME_DEFERRED, "connect", "Connection refused");
    context.networks = NULL;
    result = attempt_at(url, "");
    assert_outcome(&result, OUTCOME_DELIVERED, "written", "");
    guard_lists_unref(lists);
    free(network);
    free(url);
}

static void the_first_host_that_takes_rows_is_taken(void **state)
{
    char *url = xasprintf("postgresql://127.0.0.1:1,127.0.0.1:%d/postgres", server.port);
    struct result result = attempt_at(url, "");

    (void)state;
    assert_outcome(&result, OUTCOME_DELIVERED, "written", "");
    result = attempt_at("postgresql://127.0.0.1:1/d", "");
    assert_outcome(&result, OUTCOME_DEFERRED, "connect", "Connection refused");
    result = attempt_at("postgresql://no-such-host.invalid/d", "");
    assert_outcome(&result, OUTCOME_DEFERRED, "connect", "");
    run("ALTER ROLE dist SET default_transaction_read_only = on");
    free(url);
    url = tcp_url("?ApplicationName=read-only");
    result = attempt_at(url, "");
    struct pg_config config = pg_server_config(&server, LIMIT_MS);
    struct pg *pg = pg_new(&config);
    assert_int_equal(pg_script(pg, "SET transaction_read_only = off", NULL), 0);
    assert_int_equal(
        pg_script(pg, "BEGIN READ WRITE; ALTER ROLE dist RESET default_transaction_read_only; COMMIT", NULL),
        0);
    pg_free(pg);
    assert_outcome(&result, OUTCOME_DEFERRED, "connect", "read-only");
    free(url);
}

/* Time, and ends in the middle */

static void a_table_that_is_locked_ends_by_the_deadline(void **state)
{
    struct destination *destination = destination_of(",'table':'locked','timeout':0.8");
    struct pg_config config = pg_server_config(&server, LIMIT_MS);
    struct pg *holder = pg_new(&config);
    int64_t began_ms = clock_mono_ms();

    (void)state;
    run("CREATE TABLE locked (n integer)");
    assert_int_equal(pg_begin(holder, NULL), 0);
    assert_int_equal(pg_script(holder, "LOCK TABLE locked", NULL), 0);
    struct result result = attempt_of(destination, "m1", "{'n': 1}");
    assert_outcome(&result, OUTCOME_DEFERRED, "canceled", "57014");
    assert_true(result.overload);
    assert_true(clock_mono_ms() - began_ms < 2000);
    pg_rollback(holder);
    pg_free(holder);
    assert_delivered(destination, "m1", "{'n': 1}");
    assert_int_equal(number("SELECT count(*) FROM locked"), 1);
    destination_unref(destination);
}

static void a_server_that_says_nothing_ends_by_the_deadline(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int64_t began_ms = clock_mono_ms();

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    char *url = xasprintf("postgresql://127.0.0.1:%d/d", ntohs(address.sin_port));
    struct result result = attempt_at(url, ",'timeout':0.5");
    assert_outcome(&result, OUTCOME_DEFERRED, "timeout", "");
    assert_true(result.overload && clock_mono_ms() - began_ms < 2000);
    close(fd);
    free(url);
}

/* Two transactions that wait for each other's key: the server ends one, and it is tried again. */
static void a_deadlock_is_tried_again_at_once(void **state)
{
    struct destination *destination =
        destination_of(",'table':'crossed','columns':{'id':'id'},'key_column':'id'");
    struct pg_config config = pg_server_config(&server, LIMIT_MS);
    struct pg *other = pg_new(&config);
    struct result result = {0};
    static const char body[] = "[{\"id\": \"a\"}, {\"id\": \"b\"}]";

    (void)state;
    run("CREATE TABLE crossed (id text PRIMARY KEY)");
    assert_int_equal(pg_begin(other, NULL), 0);
    assert_int_equal(
        pg_script(other, "SET LOCAL deadlock_timeout = '60s'; INSERT INTO crossed VALUES ('b')", NULL), 0);
    begin(destination, "m1", body, strlen(body), &result);
    while (number("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == 0)
        event_base_loop(base, EVLOOP_NONBLOCK);
    /* Of a table's lock the first to wait is the next: the second try cannot be in front of it. */
    assert_int_equal(pg_script(other, "LOCK TABLE crossed IN SHARE ROW EXCLUSIVE MODE", NULL), 0);
    assert_int_equal(pg_commit(other, NULL), 0);
    finish();
    assert_outcome(&result, OUTCOME_DELIVERED, "written", "");
    shell("grep -q 'deadlock detected' %s/log", server.folder);
    assert_int_equal(number("SELECT count(*) FROM crossed"), 2);
    pg_free(other);
    destination_unref(destination);
}

/* Holds a lock until the session commits; waits until the adapter waits for one. */
static struct pg *hold(const char *sql)
{
    struct pg_config config = pg_server_config(&server, LIMIT_MS);
    struct pg *pg = pg_new(&config);

    assert_int_equal(pg_begin(pg, NULL), 0);
    assert_int_equal(pg_script(pg, sql, NULL), 0);
    return pg;
}

static void let_go(struct pg *pg)
{
    assert_int_equal(pg_commit(pg, NULL), 0);
    pg_free(pg);
}

static void await_lock(const char *name)
{
    char *sql =
        xasprintf("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '%s'::regclass", name);
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;

    while (number(sql) == 0) {
        assert_true(clock_mono_ms() < end_ms);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    free(sql);
}

/* It comes again, and there is no key: it must not be written together with others. */
static void what_was_given_up_before_the_commit_is_not_written(void **state)
{
    struct destination *destination = destination_of(",'table':'given'");
    static const char *const bodies[] = {"{\"n\": 1}", "{\"n\": 2}", "{\"n\": 3}"};
    struct result results[3];

    (void)state;
    run("CREATE TABLE given (n integer); CREATE TABLE gate1 (); CREATE TABLE gate2 (); "
        "CREATE FUNCTION gates() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.n = 1 THEN PERFORM 1 FROM gate1; ELSIF NEW.n = 2 THEN PERFORM 1 FROM gate2; END IF; "
        "RETURN NEW; END $$; "
        "CREATE TRIGGER gates BEFORE INSERT ON given FOR EACH ROW EXECUTE FUNCTION gates()");
    struct pg *first = hold("LOCK TABLE gate1"), *second = hold("LOCK TABLE gate2");
    begin(destination, "m1", bodies[0], strlen(bodies[0]), &results[0]);
    await_lock("gate1");
    begin(destination, "m2", bodies[1], strlen(bodies[1]), &results[1]);
    struct attempt_handle *victim = last_handle;
    begin(destination, "m3", bodies[2], strlen(bodies[2]), &results[2]); /* they wait together */
    let_go(first);
    await_lock("gate2");
    victim->adapter->cancel(victim);
    waiting--;
    let_go(second);
    finish();
    assert_outcome(&results[0], OUTCOME_DELIVERED, "written", "");
    assert_outcome(&results[2], OUTCOME_DELIVERED, "written", "");
    assert_true_in_sql("(SELECT count(*) = 2 AND sum(n) = 4 FROM given)");
    destination_unref(destination);
}

static void a_connection_that_is_lost_in_commit_may_have_written(void **state)
{
    struct destination *destination = destination_of(",'table':'lost','key_column':'id'");

    (void)state;
    run("CREATE TABLE lost (id text PRIMARY KEY, n integer); CREATE SEQUENCE tries; "
        "CREATE FUNCTION end_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.n = 1 AND nextval('tries') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; "
        "RETURN NULL; END $$; CREATE CONSTRAINT TRIGGER lost AFTER INSERT ON lost DEFERRABLE INITIALLY "
        "DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION end_it()");
    assert_delivered(destination, "m0", "{'n': 0}");
    struct result result = attempt_of(destination, "m1", "{'n': 1}");
    assert_outcome(&result, OUTCOME_DEFERRED, "broken", "lost during COMMIT, it may have been written");
    assert_int_equal(number("SELECT last_value FROM tries"), 1); /* not sent again by itself */
    assert_delivered(destination, "m1", "{'n': 1}");
    assert_int_equal(number("SELECT count(*) FROM lost"), 2);
    destination_unref(destination);
}

static void an_idle_connection_that_the_server_closed_is_made_again(void **state)
{
    struct destination *destination = destination_of(",'table':'idle'");

    (void)state;
    run("CREATE TABLE idle (n integer)");
    for (int i = 0; i < 3; i++) {
        assert_delivered(destination, "m1", "{'n': 1}");
        run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dist-deliver'");
    }
    assert_int_equal(number("SELECT count(*) FROM idle"), 3);
    destination_unref(destination);
}

static void a_restart_in_the_middle_loses_and_doubles_nothing(void **state)
{
    enum { MANY = 1000, AT_ONCE = 50 };
    static struct result results[MANY];
    struct destination *destination = destination_of(",'table':'reports','key_column':'id','timeout':10");
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;
    int begun = 0, delivered = 0, deferred = 0;
    bool restarted = false;

    (void)state;
    run("CREATE TABLE reports (id text PRIMARY KEY, n integer)");
    memset(results, 0, sizeof results);
    while (delivered < MANY) {
        delivered = 0;
        for (int i = 0; i < MANY; i++) {
            char id[20], body[40];
            bool again = results[i].done && results[i].kind != OUTCOME_DELIVERED;
            delivered += results[i].done && results[i].kind == OUTCOME_DELIVERED;
            deferred += again;
            if ((again || i == begun) && waiting < AT_ONCE) {
                snprintf(id, sizeof id, "m%d", i);
                snprintf(body, sizeof body, "{\"n\": %d}", i);
                begin(destination, id, body, strlen(body), &results[i]);
                begun += i == begun;
            }
        }
        if (delivered > MANY / 2 && !restarted) {
            pg_server_stop(&server); /* at once, with transactions under way */
            pg_server_start(&server);
            restarted = true;
        }
        if (waiting)
            event_base_loop(base, EVLOOP_ONCE);
        if (clock_mono_ms() > end_ms)
            fail_msg("%d of %d delivered", delivered, MANY);
    }
    assert_true(restarted);
    assert_true_in_sql("(SELECT count(*) = 1000 AND sum(n) = 499500 FROM reports)");
    destination_unref(destination);
}

static void without_a_thread_this_host_is_blamed(void **state)
{
    (void)state;
    run("CREATE TABLE threadless (n integer)");
    no_threads = true;
    assert_once(",'table':'threadless'", "m1", "{'n': 1}", OUTCOME_DEFERRED, "system", "no thread");
    no_threads = false;
    assert_once(",'table':'threadless'", "m1", "{'n': 1}", OUTCOME_DELIVERED, "written", "");
}

static void every_row_was_seen(void **state)
{
    (void)state;
    rows_assert_all(&outcomes_jdbc);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(members_go_to_the_columns_of_their_names),
        TEST(columns_take_parts_of_the_body_and_values_of_the_form),
        TEST(the_whole_body_goes_into_one_column),
        TEST(a_body_that_is_no_rows_is_rejected),
        TEST(a_second_attempt_writes_nothing_twice),
        TEST(a_bad_row_rejects_its_own_delivery_alone),
        TEST(a_row_that_an_operator_has_to_mend_holds_up_no_other),
        TEST(what_waits_together_is_written_together),
        TEST(a_transaction_is_as_the_form_has_it),
        TEST(a_constraint_that_waits_for_commit_rejects_its_own_delivery_alone),
        TEST(many_rows_go_by_copy_where_the_role_may),
        TEST(many_rows_go_by_value_where_no_table_may_be_made),
        TEST(each_state_has_its_outcome),
        TEST(what_an_operator_mends_is_deferred),
        TEST(a_check_finds_what_is_wrong_and_writes_nothing),
        TEST(a_wrong_password_is_deferred_and_shown_nowhere),
        TEST(only_a_trusted_server_is_spoken_to),
        TEST(a_private_address_is_refused_before_it_is_connected_to),
        TEST(the_operators_lists_hold_with_their_ports),
        TEST(the_first_host_that_takes_rows_is_taken),
        TEST(a_table_that_is_locked_ends_by_the_deadline),
        TEST(a_server_that_says_nothing_ends_by_the_deadline),
        TEST(a_deadlock_is_tried_again_at_once),
        TEST(what_was_given_up_before_the_commit_is_not_written),
        TEST(a_connection_that_is_lost_in_commit_may_have_written),
        TEST(an_idle_connection_that_the_server_closed_is_made_again),
        TEST(a_restart_in_the_middle_loses_and_doubles_nothing),
        TEST(without_a_thread_this_host_is_blamed),
        cmocka_unit_test(every_row_was_seen),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
