/*
 * The form of JDBC: addresses, encryption, and what columns get; parts of a JSON text as they are written
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "form.h"
#include "jdbc.h"
#include "json.h"
#include "json_span.h"
#include "xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static char *quoted(const char *text)
{
    char *copy = xstrdup(text);

    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    return copy;
}

static struct destination *make(const char *text, const char *tenant, struct fault *fault)
{
    char *json = quoted(text);
    json_t *form = json_loads(json, 0, NULL);

    assert_non_null(form);
    struct destination *destination = form_destination("table", form, tenant, "test", fault);
    json_decref(form);
    free(json);
    return destination;
}

/* With the url, and more members in front of the closing brace. */
static struct destination *must_make(const char *url, const char *more)
{
    struct fault fault = {0};
    char *text = xasprintf("{'protocol':'JDBC','connection':{'url':'%s'},'table':'t'%s}", url, more);
    struct destination *destination = make(text, NULL, &fault);

    if (!destination)
        fail_msg("%s: %s", text, fault.text);
    free(text);
    return destination;
}

static void an_address_is_read_as_jdbc_and_libpq_write_it(void **state)
{
    static const struct {
        const char *url, *host;
        int port;
        const char *database;
        size_t hosts;
        const char *sslmode;
    } cases[] = {
        {"jdbc:postgresql://db.example.com:5433/reports", "db.example.com", 5433, "reports", 1, "prefer"},
        {"jdbc:postgresql://db.example.com/reports", "db.example.com", 5432, "reports", 1, "prefer"},
        {"jdbc:postgresql://db.example.com/", "db.example.com", 5432, NULL, 1, "prefer"},
        {"jdbc:postgresql://db.example.com", "db.example.com", 5432, NULL, 1, "prefer"},
        {"jdbc:postgresql:reports", "localhost", 5432, "reports", 1, "prefer"},
        {"jdbc:postgresql://[2001:db8::1]:5433/reports", "2001:db8::1", 5433, "reports", 1, "prefer"},
        {"jdbc:postgresql://a:1,b,c:3/d", "a", 1, "d", 3, "prefer"},
        {"jdbc:postgresql://h/d?ssl=true", "h", 5432, "d", 1, "verify-full"},
        {"jdbc:postgresql://h/d?ssl=false", "h", 5432, "d", 1, "prefer"},
        {"jdbc:postgresql://h/d?ssl", "h", 5432, "d", 1, "verify-full"},
        {"jdbc:postgresql://h/d?ssl=true&sslmode=require", "h", 5432, "d", 1, "require"},
        {"jdbc:postgresql://h/d?sslrootcert=/etc/ca.pem", "h", 5432, "d", 1, "verify-full"},
        {"jdbc:postgresql://h/d?targetServerType=primary", "h", 5432, "d", 1, "prefer"},
        {"postgresql://h:5433/d?sslmode=disable", "h", 5433, "d", 1, "disable"},
        {"postgres://h/d%20e", "h", 5432, "d e", 1, "prefer"},
        {"postgresql:///d?host=/run/postgresql&port=5433", "/run/postgresql", 5433, "d", 1, "prefer"},
        {"postgresql://%2Frun%2Fpostgresql/d", "/run/postgresql", 5432, "d", 1, "prefer"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct destination *made = must_make(cases[i].url, "");
        const struct jdbc *jdbc = made->jdbc;
        assert_string_equal(jdbc->url.hosts[0].host, cases[i].host);
        assert_int_equal(jdbc->url.hosts[0].port, cases[i].port);
        assert_int_equal(jdbc->url.host_count, cases[i].hosts);
        assert_string_equal(jdbc->sslmode, cases[i].sslmode);
        if (cases[i].database)
            assert_string_equal(jdbc->url.database, cases[i].database);
        else
            assert_null(jdbc->url.database);
        destination_unref(made);
    }
}

static void an_address_that_is_wrong_is_refused_without_its_secrets(void **state)
{
    static const struct {
        const char *url, *fault;
    } cases[] = {
        {"mysql://h/d", "only PostgreSQL is delivered to, not 'mysql'"},
        {"jdbc:sqlserver://h;user=hunter2", "only PostgreSQL is delivered to, not 'sqlserver'"},
        {"postgresql://me:hunter2@h/d", "a secret in the URL"},
        {"postgresql://h/d?password=hunter2", "a secret in the URL"},
        {"postgresql://h/d?sslpassword=hunter2", "a secret in the URL"},
        {"postgresql://h/d?user=hunter2", "a secret in the URL"},
        {"postgresql://h:0/d", "a port is no number"},
        {"postgresql://h:99999/d", "a port is no number"},
        {"postgresql://h:/d", "a port is no number"},
        {"postgresql://[::1/d", "a '[' without its ']'"},
        {"postgresql://[::1]5/d", "something stands between"},
        {"postgresql://a b/d", "blanks, control characters"},
        {"postgresql://a%20b/d", "a host is no name"},
        {"postgresql://run%2Fx/d", "a host is no name"},
        {"postgresql://h/d/e", "the name of a database"},
        {"postgresql://h/%zz", "the name of a database"},
        {"postgresql://h/%00", "the name of a database"},
        {"postgresql://h/d?sslmod=require", "the parameter 'sslmod' is not taken; did you mean 'sslmode'?"},
        {"postgresql://h/d?options=-cx=y", "the parameter 'options' is not taken"},
        {"postgresql://h/d?connectTimeout=5", "the parameter 'connectTimeout' is not taken"},
        {"postgresql://h/d?sslmode=full", "sslmode is disable"},
        {"postgresql://h/d?ssl=maybe", "ssl is true or false"},
        {"postgresql://h/d?sslrootcert=ca.pem", "sslrootcert, sslcert and sslkey are absolute"},
        {"postgresql://h/d?sslkey=/k.pem", "sslkey without sslcert"},
        {"postgresql://h/d?ApplicationName=", "ApplicationName has 1 to 63 bytes"},
        {"postgresql://h/d?ApplicationName=%0a", "a '%' is followed by"},
        {"postgresql://h/d?targetServerType=secondary", "only a primary takes rows"},
        {"jdbc:postgresql://a,b,c,d,e,f,g,h,i/d", "more than 8 hosts"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = xasprintf("{'protocol':'JDBC','connection':{'url':'%s'},'table':'t'}", cases[i].url);
        struct fault fault = {0};
        if (make(text, NULL, &fault))
            fail_msg("%s: taken", cases[i].url);
        if (!strstr(fault.text, cases[i].fault) || strncmp(fault.text, "/connection/url: ", 17) != 0)
            fail_msg("%s: %s", cases[i].url, fault.text);
        assert_null(strstr(fault.text, "hunter2"));
        free(text);
    }
}

static void a_form_says_what_every_column_gets(void **state)
{
    struct destination *made = must_make(
        "jdbc:postgresql://h/d?ApplicationName=a",
        ",'columns':{'total':'sum.net','raw':'.'},'values':{'tenant':'{tenant_id}'},'key_column':'id',"
        "'row_column':'line','upsert':'update','batch_size':7,'isolation_level':'repeatable_read',"
        "'tls':{'ca_file':'/ca.pem','server_name':'db.example.com'}");
    const struct jdbc *jdbc = made->jdbc;

    (void)state;
    assert_int_equal(jdbc->column_count, 2);
    assert_string_equal(path_part(&jdbc->columns[0].path, 1), "net");
    assert_string_equal(jdbc->values[0].pattern, "{tenant_id}");
    assert_true(jdbc->key_is_id && jdbc->update);
    assert_int_equal(jdbc->batch_size, 7);
    assert_string_equal(jdbc->isolation, "REPEATABLE READ");
    assert_string_equal(jdbc->sslmode, "verify-full");
    assert_string_equal(made->ca_file, "/ca.pem");
    assert_string_equal(made->tls_name, "db.example.com");
    assert_null(jdbc->schema);
    destination_unref(made);
    made = must_make("jdbc:postgresql://h/d", ",'table':'s.t','columns':{'id':'id'},'key_column':'id'");
    assert_string_equal(made->jdbc->schema, "s");
    assert_string_equal(made->jdbc->table, "t");
    assert_false(made->jdbc->key_is_id || made->jdbc->update);
    assert_int_equal(made->jdbc->batch_size, 100);
    assert_string_equal(made->jdbc->isolation, "READ COMMITTED");
    destination_unref(made);
}

static void stored_credentials_want_a_server_that_is_known(void **state)
{
    static const struct {
        const char *url, *sslmode;
    } cases[] = {
        {"postgresql://h/d", "verify-full"},
        {"postgresql://h/d?sslmode=prefer", "prefer"},
        {"postgresql://h/d?sslmode=verify-ca&sslrootcert=/ca.pem", "verify-ca"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct destination *made = must_make(cases[i].url, ",'credentials':'c1'");
        assert_string_equal(made->jdbc->sslmode, cases[i].sslmode);
        destination_unref(made);
    }
}

static void a_form_that_contradicts_itself_is_refused(void **state)
{
    static const struct {
        const char *more, *fault;
    } cases[] = {
        {",'table':'a.b.c'", "/table: "},
        {",'columns':{}", "/columns: at least one"},
        {",'columns':{'a\\u0001':'x'}", "/columns: the name of a column"},
        {",'columns':{'':'x'}", "/columns: the name of a column"},
        {",'columns':{'a':''}", "/columns/a: a path is missing"},
        {",'columns':{'a':5}", "/columns/a: a string is wanted"},
        {",'values':{'a':'{token}'}", "/values/a: {token} is not taken here"},
        {",'values':{'a':'{nobody}'}", "/values/a: unknown"},
        {",'columns':{'a':'x'},'values':{'a':'y'}", "/values/a: \"columns\" has this column too"},
        {",'columns':{'a':'x'},'body_column':'a'", "/body_column: this column has another value"},
        {",'values':{'a':'x'},'row_column':'a'", "/row_column: this column has another value"},
        {",'key_column':'a','row_column':'a'", "/row_column: this column has another value"},
        {",'key_column':'a','body_column':'a'", "/body_column: the whole body is one row"},
        {",'row_column':'a','body_column':'b'", "/body_column: the whole body is one row"},
        {",'upsert':'update'", "/upsert: \"key_column\" is wanted with it"},
        {",'key_column':'a','upsert':'maybe'", "/upsert: "},
        {",'batch_size':0", "/batch_size: a whole number from 1 to 100000"},
        {",'tls':{'ca_file':'ca.pem'}", "/tls/ca_file: the absolute path"},
        {",'connection':{'url':'postgresql://h/d?sslmode=require'},'tls':{}", "/tls: with sslmode=require"},
        {",'connection':{'url':'postgresql://h/d?sslmode=verify-ca'}",
         "/connection/url: sslmode=verify-ca looks at no name"},
        {",'connection':{'url':'postgresql://h/d?sslmode=verify-ca'},'tls':{}",
         "/connection/url: sslmode=verify-ca"},
        {",'connection':{'url':'postgresql://h/d?sslmode=disable'},'tls':{}", "/tls: the connection is not"},
        {",'connection':{'url':'postgresql://h/d?sslrootcert=/a'},'tls':{}", "/tls: the URL names files too"},
        {",'connection':{'url':'postgresql://h/d','credentials':{'username':'{tenant_id}'}}",
         "/connection/credentials/username: a name"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = xasprintf("{'protocol':'JDBC','connection':{'url':'postgresql://h/d'},'table':'t'%s}",
                               cases[i].more);
        struct fault fault = {0};
        if (make(text, NULL, &fault))
            fail_msg("%s: taken", text);
        if (strncmp(fault.text, cases[i].fault, strlen(cases[i].fault)) != 0)
            fail_msg("%s: %s", text, fault.text);
        assert_int_equal(fault.class, FAULT_INPUT);
        free(text);
    }
}

static void a_request_names_neither_files_nor_sockets(void **state)
{
    static const char *const urls[] = {"postgresql:///d", "postgresql://%2Frun/d",
                                       "postgresql://h/d?sslrootcert=/etc/passwd"};

    (void)state;
    for (size_t i = 0; i < COUNT(urls); i++) {
        struct fault fault = {0};
        char *text = xasprintf("{'protocol':'JDBC','connection':{'url':'%s'},'table':'t'}", urls[i]);
        assert_null(make(text, "acme", &fault));
        assert_int_equal(fault.class, FAULT_DENIED);
        free(text);
    }
}

static void parts_of_a_text_are_as_they_were_written(void **state)
{
    static const char text[] = " {\"a\" : 1.50 ,\"b\\u0063\":[ 1,\"x]\\\"\" , {\"k\":[]} ],\"d\":\"\", \"e\":"
                               "-12345678901234567890.123456789e-5 }\n";
    static const struct {
        const char *path, *value;
    } cases[] = {
        {"a", "1.50"},      {"bc", "[ 1,\"x]\\\"\" , {\"k\":[]} ]"},
        {"bc.0", "1"},      {"bc.1", "\"x]\\\"\""},
        {"bc.2.k", "[]"},   {"/bc/2", "{\"k\":[]}"},
        {"d", "\"\""},      {"bc.3", NULL},
        {"bc.01", NULL},    {"bc.k", NULL},
        {"a.b", NULL},      {"x", NULL},
        {"bc.2.k.0", NULL}, {"e", "-12345678901234567890.123456789e-5"},
    };
    struct json_span whole = json_span_of(text, sizeof text - 1);

    (void)state;
    assert_int_equal(json_check(text, sizeof text - 1, NULL, NULL), 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct path path;
        assert_int_equal(path_parse(cases[i].path, strlen(cases[i].path), &path, NULL), 0);
        struct json_span found = json_span_get(whole, &path);
        if (!cases[i].value != !found.at)
            fail_msg("%s: %.*s", cases[i].path, (int)found.size, found.at ? found.at : "");
        if (found.at &&
            (found.size != strlen(cases[i].value) || memcmp(found.at, cases[i].value, found.size)))
            fail_msg("%s: '%.*s'", cases[i].path, (int)found.size, found.at);
        path_release(&path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_read_as_jdbc_and_libpq_write_it),
        cmocka_unit_test(an_address_that_is_wrong_is_refused_without_its_secrets),
        cmocka_unit_test(a_form_says_what_every_column_gets),
        cmocka_unit_test(stored_credentials_want_a_server_that_is_known),
        cmocka_unit_test(a_form_that_contradicts_itself_is_refused),
        cmocka_unit_test(a_request_names_neither_files_nor_sockets),
        cmocka_unit_test(parts_of_a_text_are_as_they_were_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
