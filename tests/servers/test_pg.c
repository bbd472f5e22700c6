/*
 * pg against a PostgreSQL of its own: values, faults, deadlines, what breaks
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "clock.h"
#include "pg.h"
#include "pg_server.h"
#include "xalloc.h"

static struct pg_server server;
static struct fault problem;

static int setup(void **state)
{
    (void)state;
    pg_server_create(&server);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pg_server_remove(&server);
    return 0;
}

static struct pg *client(int64_t timeout_ms)
{
    struct pg_config config = pg_server_config(&server, timeout_ms);

    return pg_new(&config);
}

static PGresult *good(PGresult *result)
{
    if (!result)
        fail_msg("%s", problem.text);
    return result;
}

static void expect(struct pg *pg, const char *sql, enum fault_class class)
{
    PGresult *result;

    fault_clear(&problem);
    result = pg_query(pg, sql, NULL, &problem);
    assert_null(result);
    if (problem.class != class)
        fail_msg("%s: %s: %s", sql, fault_class_name(problem.class), problem.text);
}

static void expect_one(struct pg *pg)
{
    PGresult *result = good(pg_query(pg, "SELECT 1", NULL, &problem));

    assert_int_equal(pg_int(result, 0, 0), 1);
    PQclear(result);
}

static void values_go_there_and_back(void **state)
{
    struct pg *pg = client(10000);
    struct pg_params params;
    const char bytes[] = {0, 1, '\\', '\'', (char)0xff};
    PGresult *result;

    (void)state;
    pg_params_init(&params);
    pg_param_text(&params, "it's \"π\"");
    pg_param_text(&params, NULL);
    pg_param_int(&params, INT64_MIN);
    pg_param_bool(&params, true);
    pg_param_bytes(&params, bytes, sizeof bytes);
    pg_param_bytes(&params, NULL, 0);
    pg_param_time(&params, 0);
    result = good(
        pg_query(pg, "SELECT $1::text, $2::text, $3::bigint, $4::boolean, $5::bytea, $6::bytea, $7::bigint",
                 &params, &problem));
    assert_string_equal(pg_text(result, 0, 0), "it's \"π\"");
    assert_true(pg_null(result, 0, 1));
    assert_null(pg_text_copy(result, 0, 1));
    assert_string_equal(pg_text(result, 0, 1), "");
    assert_true(pg_int(result, 0, 2) == INT64_MIN);
    assert_true(pg_bool(result, 0, 3));
    assert_string_equal(pg_text(result, 0, 4), "\\x00015c27ff");
    assert_string_equal(pg_text(result, 0, 5), "\\x");
    assert_true(pg_null(result, 0, 6));
    PQclear(result);
    params.count = 0;
    pg_param_bytes(&params, bytes, sizeof bytes);
    for (int i = 0; i < 2; i++) {
        result = good(pg_prepared_binary(pg, "bytes", "SELECT $1::bytea", &params, &problem));
        assert_int_equal(PQgetlength(result, 0, 0), sizeof bytes);
        assert_memory_equal(PQgetvalue(result, 0, 0), bytes, sizeof bytes);
        PQclear(result);
    }
    pg_free(pg);
}

static PGresult *query_array(struct pg *pg, const char *sql, struct pg_array *array)
{
    struct pg_params params;

    fault_clear(&problem);
    pg_params_init(&params);
    if (pg_param_array(&params, array, &problem))
        return NULL;
    return pg_query(pg, sql, &params, &problem);
}

/* What the server says that the array is; the array is released. */
static void expect_array(struct pg *pg, const char *sql, struct pg_array *array, const char *said)
{
    PGresult *result = good(query_array(pg, sql, array));

    assert_string_equal(pg_text(result, 0, 0), said);
    PQclear(result);
    pg_array_release(array);
}

static void expect_refused_array(struct pg *pg, const char *sql, struct pg_array *array,
                                 enum fault_class class, const char *sqlstate)
{
    assert_null(query_array(pg, sql, array));
    assert_int_equal(problem.class, class);
    assert_string_equal(pg_sqlstate(pg), sqlstate);
    assert_true(pg_is_connected(pg));
    pg_array_release(array);
}

static void arrays_of_each_type_are_read_as_they_were_written(void **state)
{
    static const struct {
        enum pg_type type;
        const char *sql, *items[4], *said;
    } cases[] = {
        {PG_TEXT, "SELECT $1::text[]", {"a,b", NULL, "NULL", ""}, "{\"a,b\",NULL,\"NULL\",\"\"}"},
        {PG_VARCHAR, "SELECT $1::varchar[]", {"{x}", "\"q\\", "π", NULL}, "{\"{x}\",\"\\\"q\\\\\",π,NULL}"},
        {PG_JSON, "SELECT $1::json[]", {"{\"a\": 1}", NULL, "2", " 3"}, "{\"{\\\"a\\\": 1}\",NULL,2,\" 3\"}"},
        {PG_JSONB, "SELECT $1::jsonb[]", {"{\"a\":1}", NULL, "2", " 3"}, "{\"{\\\"a\\\": 1}\",NULL,2,3}"},
        {PG_UUID,
         "SELECT $1::uuid[]",
         {NULL, "018d0a5c-7c00-7abc-8def-0123456789AB", NULL, "ffffffff-ffff-ffff-ffff-ffffffffffff"},
         "{NULL,018d0a5c-7c00-7abc-8def-0123456789ab,NULL,ffffffff-ffff-ffff-ffff-ffffffffffff}"},
    };
    struct pg *pg = client(10000);
    struct pg_array array;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pg_array_init(&array, cases[i].type, 1000);
        for (int k = 0; k < 4; k++)
            pg_array_add(&array, cases[i].items[k]);
        expect_array(pg, cases[i].sql, &array, cases[i].said);
    }
    pg_array_init(&array, PG_BIGINT, 1000);
    pg_array_add_int(&array, INT64_MIN);
    pg_array_add_nonzero(&array, 0);
    pg_array_add_int(&array, 0);
    pg_array_add_nonzero(&array, -1);
    pg_array_add_int(&array, INT64_MAX);
    expect_array(pg, "SELECT $1::bigint[]", &array, "{-9223372036854775808,NULL,0,-1,9223372036854775807}");
    pg_array_init(&array, PG_INTEGER, 1000);
    pg_array_add_int(&array, INT32_MIN);
    pg_array_add_int(&array, INT32_MAX);
    pg_array_add_nonzero(&array, 0);
    expect_array(pg, "SELECT $1::integer[]", &array, "{-2147483648,2147483647,NULL}");
    pg_array_init(&array, PG_BOOLEAN, 1000);
    pg_array_add_bool(&array, true);
    pg_array_add_bool(&array, false);
    expect_array(pg, "SELECT $1::boolean[]", &array, "{t,f}");
    pg_array_init(&array, PG_BYTEA, 1000);
    pg_array_add_bytes(&array, "a\0b", 3);
    pg_array_add_bytes(&array, NULL, 0);
    pg_array_add_bytes(&array, "\xff{}", 3);
    expect_array(pg, "SELECT $1::bytea[]", &array, "{\"\\\\x610062\",\"\\\\x\",\"\\\\xff7b7d\"}");
    pg_free(pg);
}

static void an_array_without_elements_is_empty(void **state)
{
    struct pg *pg = client(10000);
    struct pg_array array;

    (void)state;
    pg_array_init(&array, PG_UUID, 1000);
    expect_array(pg, "SELECT $1::uuid[] = '{}' AND array_ndims($1::uuid[]) IS NULL", &array, "t");
    pg_free(pg);
}

static void an_array_has_the_indexes_of_a_literal_and_may_be_sent_again(void **state)
{
    struct pg *pg = client(10000);
    struct pg_array array;

    (void)state;
    pg_array_init(&array, PG_TEXT, 1000);
    pg_array_add(&array, "first");
    PQclear(good(query_array(pg, "SELECT $1::text[]", &array)));
    pg_array_add(&array, "second");
    expect_array(pg, "SELECT array_lower($1::text[], 1) || ($1::text[])[1] || ($1::text[])[2]", &array,
                 "1firstsecond");
    pg_free(pg);
}

static void an_element_that_its_type_does_not_hold_is_refused(void **state)
{
    static const char *const no_uids[] = {"",
                                          "sixteen letters.",
                                          "018d0a5c7c007abc8def0123456789ab",
                                          "018d0a5c-7c00-7abc-8def-0123456789a",
                                          "018d0a5c-7c00-7abc-8def-0123456789abc",
                                          "018d0a5g-7c00-7abc-8def-0123456789ab"};
    static const int64_t no_integers[] = {INT64_C(1) << 31, -(INT64_C(1) << 31) - 1, INT64_C(1) << 32};
    struct pg *pg = client(10000);
    struct pg_array array;

    (void)state;
    for (size_t i = 0; i < sizeof no_uids / sizeof *no_uids; i++) {
        pg_array_init(&array, PG_UUID, 1000);
        pg_array_add(&array, "018d0a5c-7c00-7abc-8def-0123456789ab");
        pg_array_add(&array, no_uids[i]);
        pg_array_add(&array, "018d0a5c-7c00-7abc-8def-0123456789ab");
        expect_refused_array(pg, "SELECT $1::uuid[]", &array, FAULT_INPUT, "22P03");
        assert_non_null(strstr(problem.text, "array element 2"));
    }
    for (size_t i = 0; i < sizeof no_integers / sizeof *no_integers; i++) {
        pg_array_init(&array, PG_INTEGER, 1000);
        pg_array_add_int(&array, no_integers[i]);
        expect_refused_array(pg, "SELECT $1::integer[]", &array, FAULT_INPUT, "22P03");
    }
    pg_array_init(&array, PG_TEXT, 1000);
    pg_array_add(&array, "caf\xe9");
    expect_refused_array(pg, "SELECT $1::text[]", &array, FAULT_INPUT, "22021");
    pg_array_init(&array, PG_JSONB, 1000);
    pg_array_add(&array, "{\"a\":\"\\u0000\"}");
    expect_refused_array(pg, "SELECT $1::jsonb[]", &array, FAULT_INPUT, "22P05");
    pg_array_init(&array, PG_JSONB, 1000);
    pg_array_add(&array, "{");
    expect_refused_array(pg, "SELECT $1::jsonb[]", &array, FAULT_INPUT, "22P02");
    expect_one(pg);
    pg_free(pg);
}

static void an_array_of_another_type_is_a_bug(void **state)
{
    struct pg *pg = client(10000);
    struct pg_array array;

    (void)state;
    pg_array_init(&array, PG_TEXT, 1000);
    pg_array_add(&array, "x");
    expect_refused_array(pg, "SELECT $1::varchar[]", &array, FAULT_BUG, "42804");
    pg_array_init(&array, PG_BIGINT, 1000);
    expect_refused_array(pg, "SELECT $1::integer[]", &array, FAULT_BUG, "42804");
    pg_free(pg);
}

static void an_array_that_had_no_room_is_no_parameter(void **state)
{
    static const size_t room[] = {0, 19, 20, 25};
    struct pg_params params;
    struct pg_array array;

    (void)state;
    for (size_t i = 0; i < sizeof room / sizeof *room; i++) {
        pg_params_init(&params);
        pg_array_init(&array, PG_TEXT, room[i]);
        pg_array_add(&array, "ab");
        fault_clear(&problem);
        assert_int_equal(pg_param_array(&params, &array, &problem), -1);
        assert_int_equal(problem.class, FAULT_BUG);
        assert_string_equal(problem.text, "a batch is larger than a statement may be");
        assert_int_equal(params.count, 0);
        pg_array_release(&array);
    }
    pg_array_init(&array, PG_TEXT, 26);
    pg_array_add(&array, "ab");
    assert_int_equal(pg_param_array(&params, &array, &problem), 0);
    pg_array_add(&array, NULL);
    assert_int_equal(pg_param_array(&params, &array, &problem), -1);
    pg_array_release(&array);
}

static void faults_have_their_class(void **state)
{
    struct pg *pg = client(10000);

    (void)state;
    expect(pg, "SELECT 'x'::integer", FAULT_INPUT);
    assert_string_equal(pg_sqlstate(pg), "22P02");
    assert_non_null(strstr(problem.text, "PostgreSQL at "));
    assert_null(strchr(problem.text, '\n'));
    expect(pg, "SELECT * FROM not_there", FAULT_CONFIG);
    assert_non_null(strstr(problem.text, "run dist-admin migrate"));
    expect(pg, "SELEC 1", FAULT_BUG);
    expect(pg, "DO $$ BEGIN RAISE 'x' USING ERRCODE = '40P01'; END $$", FAULT_TEMP);
    expect(pg, "DO $$ BEGIN RAISE 'x' USING ERRCODE = '53100'; END $$", FAULT_TEMP);
    expect(pg, "DO $$ BEGIN RAISE 'x' USING ERRCODE = '42501'; END $$", FAULT_DENIED);
    expect(pg, "DO $$ BEGIN RAISE 'x' USING ERRCODE = '23505'; END $$", FAULT_INPUT);
    expect(pg, "DO $$ BEGIN RAISE E'two\\nlines'; END $$", FAULT_BUG);
    assert_null(strstr(problem.text, "lines"));
    expect(pg, "DO $$ BEGIN RAISE 'x' USING ERRCODE = 'XX000'; END $$", FAULT_TEMP);
    expect(pg, "DO $$ BEGIN RAISE 'x' USING ERRCODE = '57014'; END $$", FAULT_TEMP);
    assert_true(pg_is_connected(pg));
    /* What says that the connection or the server goes: another connection may do better. */
    static const char *const gone[] = {"08006", "08P01", "57P01", "57P02", "57P03", "57P05", "25P03"};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        char sql[100];
        snprintf(sql, sizeof sql, "DO $$ BEGIN RAISE 'x' USING ERRCODE = '%s'; END $$", gone[i]);
        expect(pg, sql, FAULT_UNAVAILABLE);
        assert_string_equal(pg_sqlstate(pg), gone[i]);
        assert_false(pg_is_connected(pg));
    }
    expect(pg, "DO $$ BEGIN RAISE 'x' USING ERRCODE = '25006'; END $$", FAULT_TEMP);
    assert_false(pg_is_connected(pg)); /* a standby: the next connection may find the primary */
    expect(pg, "COPY pg_class TO STDOUT", FAULT_UNAVAILABLE);
    assert_false(pg_is_connected(pg));
    expect_one(pg);
    assert_string_equal(pg_sqlstate(pg), "");
    pg_free(pg);
}

static void connections_that_cannot_be_made_say_why(void **state)
{
    static const struct {
        const char *sql, *user, *password, *database;
        enum fault_class class;
        const char *text;
    } cases[] = {
        {NULL, "nobody-known", NULL, "postgres", FAULT_CONFIG, "does not exist"},
        {NULL, "dist", NULL, "no-such-db", FAULT_CONFIG, "does not exist"},
        {"CREATE ROLE locked", "locked", NULL, "postgres", FAULT_CONFIG, "not permitted to log in"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pg_config config = pg_server_config(&server, 5000);
        if (cases[i].sql)
            pg_server_run(&server, cases[i].sql);
        config.user = cases[i].user;
        config.database = cases[i].database;
        struct pg *pg = pg_new(&config);
        fault_clear(&problem);
        assert_int_equal(pg_connect(pg, &problem), -1);
        if (problem.class != cases[i].class || !strstr(problem.text, cases[i].text))
            fail_msg("%s: %s", fault_class_name(problem.class), problem.text);
        assert_false(pg_is_connected(pg));
        pg_free(pg);
    }
    struct pg_config config = {.host = "/nonexistent", .timeout_ms = 1000, .user = "x"};
    struct pg *pg = pg_new(&config);
    expect(pg, "SELECT 1", FAULT_UNAVAILABLE);
    pg_free(pg);
}

/* A wrong password is a fault of the configuration, and no text has it. */
static void passwords_are_asked_for_and_never_shown(void **state)
{
    struct pg_config config = pg_server_config(&server, 5000);
    char path[200], rule[] = "local all guarded scram-sha-256\nlocal all all trust\n";

    (void)state;
    snprintf(path, sizeof path, "%s/data/pg_hba.conf", server.folder);
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, rule, strlen(rule)), (ssize_t)strlen(rule));
    close(fd);
    pg_server_run(&server, "CREATE ROLE guarded LOGIN PASSWORD 'open sesame'");
    pg_server_run(&server, "SELECT pg_reload_conf()");
    config.user = "guarded";
    const char *const passwords[] = {"wr0ng-secret", NULL, "open sesame"};
    for (size_t i = 0; i < 3; i++) {
        config.password = passwords[i];
        struct pg *pg = pg_new(&config);
        int64_t deadline_ms = clock_mono_ms() + 5000;
        /* The postmaster reads its rules again a moment after it was told. */
        while (!pg_connect(pg, &problem) && i < 2 && clock_mono_ms() < deadline_ms)
            pg_close(pg);
        assert_int_equal(pg_is_connected(pg), i == 2);
        if (i < 2)
            assert_int_equal(problem.class, FAULT_CONFIG);
        assert_null(strstr(problem.text, "wr0ng"));
        pg_free(pg);
    }
}

static void the_socket_is_not_inherited(void **state)
{
    struct pg *pg = client(5000);

    (void)state;
    assert_int_equal(pg_connect(pg, &problem), 0);
    assert_true(fcntl(PQsocket(pg_connection(pg)), F_GETFD) & FD_CLOEXEC);
    pg_free(pg);
}

static void a_slow_statement_ends_at_the_deadline(void **state)
{
    struct pg *pg = client(300);
    int64_t start_ms = clock_mono_ms();

    (void)state;
    fault_clear(&problem);
    assert_null(pg_query(pg, "SELECT pg_sleep(30)", NULL, &problem));
    /* Who is first, the server's statement_timeout or our deadline, is open. */
    assert_true(problem.class == FAULT_TEMP || problem.class == FAULT_UNAVAILABLE);
    assert_in_range(clock_mono_ms() - start_ms, 250, 5000);
    expect_one(pg);
    pg_free(pg);
}

/* A large result over a slow link: neither side's deadline may end it, and afterwards all is as before. */
static void a_large_result_prolongs_the_deadline(void **state)
{
    struct pg *pg = client(300);

    (void)state;
    assert_int_equal(pg_expect_bytes(pg, 4000000, &problem), 0);
    PGresult *result = good(pg_query(pg, "SELECT pg_sleep(1)", NULL, &problem));
    PQclear(result);
    assert_int_equal(pg_expect_bytes(pg, 0, &problem), 0);
    result = good(pg_query(pg, "SHOW statement_timeout", NULL, &problem));
    assert_string_equal(pg_text(result, 0, 0), "300ms");
    PQclear(result);
    int64_t start_ms = clock_mono_ms();
    assert_null(pg_query(pg, "SELECT pg_sleep(30)", NULL, &problem));
    assert_in_range(clock_mono_ms() - start_ms, 250, 5000);

    /* A connection that breaks meanwhile takes it along. */
    assert_int_equal(pg_expect_bytes(pg, 60000000, &problem), 0);
    expect(pg, "SELECT pg_terminate_backend(pg_backend_pid())", FAULT_UNAVAILABLE);
    start_ms = clock_mono_ms();
    assert_null(pg_query(pg, "SELECT pg_sleep(30)", NULL, &problem));
    assert_in_range(clock_mono_ms() - start_ms, 250, 5000);
    pg_free(pg);
}

static void a_hung_server_costs_the_timeout_and_no_more(void **state)
{
    struct pg *pg = client(400);
    PGresult *result = good(pg_query(pg, "SELECT pg_backend_pid()", NULL, &problem));
    pid_t backend = (pid_t)pg_int(result, 0, 0);
    int64_t start_ms = clock_mono_ms();

    (void)state;
    PQclear(result);
    assert_int_equal(kill(backend, SIGSTOP), 0);
    expect(pg, "SELECT 1", FAULT_UNAVAILABLE);
    assert_in_range(clock_mono_ms() - start_ms, 350, 3000);
    assert_non_null(strstr(problem.text, "did not answer within 400ms"));
    assert_false(pg_is_connected(pg));
    expect_one(pg); /* another backend answers */
    kill(backend, SIGCONT);
    pg_close(pg);

    assert_int_equal(kill(server.pid, SIGSTOP), 0);
    start_ms = clock_mono_ms();
    expect(pg, "SELECT 1", FAULT_UNAVAILABLE);
    assert_in_range(clock_mono_ms() - start_ms, 350, 3000);
    kill(server.pid, SIGCONT);
    expect_one(pg);
    pg_free(pg);
}

/* Large parameters to a backend that does not read: the deadline holds while writing too. */
static void a_server_that_does_not_read_costs_the_timeout(void **state)
{
    struct pg *pg = client(400);
    PGresult *result = good(pg_query(pg, "SELECT pg_backend_pid()", NULL, &problem));
    pid_t backend = (pid_t)pg_int(result, 0, 0);
    size_t size = 8 * 1024 * 1024;
    char *bytes = xcalloc(1, size);
    struct pg_params params;
    int64_t start_ms = clock_mono_ms();

    (void)state;
    PQclear(result);
    assert_int_equal(kill(backend, SIGSTOP), 0);
    pg_params_init(&params);
    pg_param_bytes(&params, bytes, size);
    assert_null(pg_query(pg, "SELECT length($1::bytea)", &params, &problem));
    assert_int_equal(problem.class, FAULT_UNAVAILABLE);
    assert_in_range(clock_mono_ms() - start_ms, 350, 6000);
    kill(backend, SIGCONT);
    pg_free(pg);
    pg = client(30000);
    result = good(pg_query(pg, "SELECT length($1::bytea)", &params, &problem));
    assert_int_equal(pg_int(result, 0, 0), (int64_t)size);
    PQclear(result);
    free(bytes);
    pg_free(pg);
}

static void a_killed_backend_is_a_fault_and_the_next_call_connects(void **state)
{
    struct pg *pg = client(5000);
    unsigned generation;

    (void)state;
    expect_one(pg);
    generation = pg_generation(pg);
    pg_server_run(&server,
                  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                  " AND application_name = 'dist-test'");
    PGresult *result = pg_prepared(pg, "one", "SELECT 1", NULL, &problem);
    if (!result) { /* the kernel may have told libpq already */
        assert_int_equal(problem.class, FAULT_UNAVAILABLE);
        result = good(pg_prepared(pg, "one", "SELECT 1", NULL, &problem));
    }
    PQclear(result);
    assert_int_not_equal(pg_generation(pg), generation);
    pg_free(pg);
}

static void a_transaction_does_not_go_on_with_another_connection(void **state)
{
    struct pg *pg = client(5000);

    (void)state;
    pg_server_run(&server, "CREATE TABLE marks (n integer)");
    assert_int_equal(pg_begin(pg, &problem), 0);
    assert_int_equal(pg_script(pg, "INSERT INTO marks VALUES (1)", &problem), 0);
    expect(pg, "SELECT pg_terminate_backend(pg_backend_pid())", FAULT_UNAVAILABLE);
    expect(pg, "INSERT INTO marks VALUES (2)", FAULT_UNAVAILABLE);
    assert_int_equal(pg_commit(pg, &problem), -1);
    assert_int_equal(problem.class, FAULT_UNAVAILABLE);
    expect_one(pg);
    assert_int_equal(pg_server_number(&server, "SELECT count(*) FROM marks"), 0);

    /* The same with a statement that failed: COMMIT is no success then. */
    assert_int_equal(pg_begin(pg, &problem), 0);
    expect(pg, "SELECT 1 / 0", FAULT_INPUT);
    assert_int_equal(pg_commit(pg, &problem), -1);
    assert_int_equal(problem.class, FAULT_BUG);
    assert_int_equal(pg_begin(pg, &problem), 0);
    expect(pg, "SELECT 1 / 0", FAULT_INPUT);
    pg_rollback(pg);
    assert_string_equal(pg_sqlstate(pg), "22012");
    expect_one(pg);
    pg_free(pg);
}

/* --- pipeline --- */

struct rows {
    struct pg *pg;
    const char *sql;
    size_t bad, done, kill_at, refuse_at;
};

static int fill(void *arg, size_t index, struct pg_params *params, struct fault *fault)
{
    const struct rows *rows = arg;

    if (index == rows->refuse_at)
        return fault_set(fault, FAULT_BUG, "row %zu has no room", index);
    if (index == rows->kill_at)
        pg_server_run(&server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                               " WHERE pid <> pg_backend_pid() AND application_name = 'dist-test'");
    pg_param_int(params, index == rows->bad ? -1 : (int64_t)index);
    return 0;
}

static void count(void *arg, size_t index, const PGresult *result)
{
    struct rows *rows = arg;

    assert_int_equal(index, rows->done);
    assert_int_equal(PQntuples(result), 1);
    assert_int_equal(pg_int(result, 0, 0), (int64_t)index);
    rows->done++;
}

static int run_rows(struct rows *rows, size_t total, size_t *failed)
{
    fault_clear(&problem);
    return pg_pipeline(rows->pg, "rows", rows->sql, total, fill, count, rows, failed, &problem);
}

static void a_pipeline_is_one_transaction(void **state)
{
    struct rows rows = {
        client(10000), "INSERT INTO lines VALUES ($1::bigint) RETURNING n", SIZE_MAX, 0, SIZE_MAX, SIZE_MAX};
    size_t failed;

    (void)state;
    pg_server_run(&server, "CREATE TABLE lines (n bigint PRIMARY KEY CHECK (n >= 0))");
    assert_int_equal(run_rows(&rows, 10000, &failed), 0);
    assert_int_equal(failed, 10000);
    assert_int_equal(rows.done, 10000);
    pg_server_run(&server, "DELETE FROM lines");
    rows.done = 0;
    rows.bad = 700;
    assert_int_equal(run_rows(&rows, 1000, &failed), -1);
    assert_int_equal(problem.class, FAULT_INPUT);
    assert_int_equal(failed, 700);
    assert_int_equal(pg_server_number(&server, "SELECT count(*) FROM lines"), 0);
    rows.done = 0;
    assert_int_equal(run_rows(&rows, 700, &failed), 0); /* the connection is as good as before */
    assert_int_equal(pg_server_number(&server, "SELECT count(*) FROM lines"), 700);
    assert_int_equal(run_rows(&rows, 0, &failed), 0);
    pg_free(rows.pg);
}

static void a_pipeline_that_breaks_leaves_nothing(void **state)
{
    struct rows rows = {client(10000), "INSERT INTO lines VALUES ($1::bigint) RETURNING n", SIZE_MAX, 0, 500,
                        SIZE_MAX};
    size_t failed;

    (void)state;
    pg_server_run(&server, "DELETE FROM lines");
    assert_int_equal(run_rows(&rows, 1000, &failed), -1);
    assert_int_equal(problem.class, FAULT_UNAVAILABLE);
    assert_int_equal(pg_server_number(&server, "SELECT count(*) FROM lines"), 0);
    rows.kill_at = SIZE_MAX;
    rows.refuse_at = 300;
    assert_int_equal(run_rows(&rows, 1000, &failed), -1);
    assert_string_equal(problem.text, "row 300 has no room");
    assert_int_equal(pg_server_number(&server, "SELECT count(*) FROM lines"), 0);
    rows.refuse_at = SIZE_MAX;
    rows.done = 0;
    assert_int_equal(run_rows(&rows, 1000, &failed), 0);
    pg_free(rows.pg);
}

/* Results larger than what the sockets hold, while rows are still being sent. */
static void a_pipeline_with_large_results_does_not_lock_up(void **state)
{
    struct rows rows = {client(10000), "SELECT $1::bigint, repeat('x', 100000)", SIZE_MAX, 0, SIZE_MAX,
                        SIZE_MAX};
    size_t failed;

    (void)state;
    assert_int_equal(run_rows(&rows, 500, &failed), 0);
    assert_int_equal(rows.done, 500);
    pg_free(rows.pg);
}

static void a_restart_in_between_is_seen_once(void **state)
{
    struct pg *pg = client(10000);

    (void)state;
    expect_one(pg);
    pg_server_stop(&server);
    expect(pg, "SELECT 1", FAULT_UNAVAILABLE);
    expect(pg, "SELECT 1", FAULT_UNAVAILABLE);
    pg_server_start(&server);
    expect_one(pg);
    pg_free(pg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_go_there_and_back),
        cmocka_unit_test(arrays_of_each_type_are_read_as_they_were_written),
        cmocka_unit_test(an_array_without_elements_is_empty),
        cmocka_unit_test(an_array_has_the_indexes_of_a_literal_and_may_be_sent_again),
        cmocka_unit_test(an_element_that_its_type_does_not_hold_is_refused),
        cmocka_unit_test(an_array_of_another_type_is_a_bug),
        cmocka_unit_test(an_array_that_had_no_room_is_no_parameter),
        cmocka_unit_test(faults_have_their_class),
        cmocka_unit_test(connections_that_cannot_be_made_say_why),
        cmocka_unit_test(passwords_are_asked_for_and_never_shown),
        cmocka_unit_test(the_socket_is_not_inherited),
        cmocka_unit_test(a_slow_statement_ends_at_the_deadline),
        cmocka_unit_test(a_large_result_prolongs_the_deadline),
        cmocka_unit_test(a_hung_server_costs_the_timeout_and_no_more),
        cmocka_unit_test(a_server_that_does_not_read_costs_the_timeout),
        cmocka_unit_test(a_killed_backend_is_a_fault_and_the_next_call_connects),
        cmocka_unit_test(a_transaction_does_not_go_on_with_another_connection),
        cmocka_unit_test(a_pipeline_is_one_transaction),
        cmocka_unit_test(a_pipeline_that_breaks_leaves_nothing),
        cmocka_unit_test(a_pipeline_with_large_results_does_not_lock_up),
        cmocka_unit_test(a_restart_in_between_is_seen_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
