/*
 * Destinations: the forms of every protocol, what a request may not say, placeholders, the catalog
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "form.h"
#include "form_parts.h"
#include "placeholders.h"
#include "catalog.h"
#include "destination.h"
#include "json.h"
#include "ceilings.h"
#include "xalloc.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Texts are written with ' for ". */
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
    char *copy = quoted(text);
    json_t *form = json_read(copy, strlen(copy), fault);
    struct destination *destination = form ? form_destination("hook", form, tenant, "test", fault) : NULL;
    json_decref(form); /* the destination has a copy of its own */
    free(copy);
    return destination;
}

static struct destination *must_make(const char *text, const char *tenant)
{
    struct fault fault = {0};
    struct destination *destination = make(text, tenant, &fault);
    if (!destination)
        fail_msg("%s: %s", text, fault.text);
    return destination;
}

static void the_forms_of_the_specification_are_taken(void **state)
{
    (void)state;
    struct destination *rest = must_make(
        "{'protocol':'REST','endpoint':'https://api.consumer.com/webhook','method':'POST','headers':{"
        "'Authorization':'Bearer {token}','Content-Type':'application/json','X-Tenant-ID':'{tenant_id}'},"
        "'timeout':30,'retry_policy':{'max_attempts':3,'backoff_multiplier':2.0,'max_backoff':60}}",
        NULL);
    assert_int_equal(rest->protocol, PROTOCOL_REST);
    assert_string_equal(rest->endpoint, "https://api.consumer.com/webhook");
    assert_string_equal(rest->method, "POST");
    assert_int_equal(json_object_size(rest->headers), 3);
    assert_int_equal(rest->timeout_ms, 30000);
    assert_non_null(rest->retry_policy);
    destination_unref(rest);

    struct destination *amqp = must_make("{'protocol':'AMQP','connection':{'host':'rabbitmq.cluster.local','"
                                         "port':5672,'vhost':'/zenia','credentials':"
                                         "{'username':'zenia_distributor','password':'{secret}'}},'exchange':"
                                         "'zenia.distribution','routing_key':"
                                         "'report.{tenant_id}','delivery_mode':2}",
                                         NULL);
    assert_int_equal(amqp->protocol, PROTOCOL_AMQP);
    assert_string_equal(amqp->amqp.host, "rabbitmq.cluster.local");
    assert_int_equal(amqp->amqp.port, 5672);
    assert_string_equal(amqp->amqp.vhost, "/zenia");
    assert_string_equal(amqp->amqp.username, "zenia_distributor");
    assert_string_equal(amqp->amqp.exchange, "zenia.distribution");
    assert_string_equal(amqp->amqp.routing_key, "report.{tenant_id}");
    assert_int_equal(amqp->amqp.delivery_mode, 2);
    assert_true(amqp->amqp.mandatory && !amqp->amqp.encrypted);
    destination_unref(amqp);

    amqp = must_make("{'protocol':'AMQP','connection':{'host':'h','scheme':'AMQPS','heartbeat':'1m','connect_"
                     "timeout':2.5},"
                     "'exchange':'','routing_key':'q','mandatory':false,'content_type':'text/"
                     "csv','headers':{'x':'{date}'},"
                     "'tls':{'server_name':'mq.example.com'}}",
                     NULL);
    assert_true(amqp->amqp.encrypted && !amqp->amqp.mandatory && !amqp->amqp.username);
    assert_int_equal(amqp->amqp.port, 5671);
    assert_string_equal(amqp->amqp.vhost, "/");
    assert_int_equal(amqp->amqp.delivery_mode, 2);
    assert_int_equal(amqp->amqp.heartbeat_ms, 60000);
    assert_int_equal(amqp->amqp.connect_timeout_ms, 2500);
    assert_string_equal(amqp->tls_name, "mq.example.com");
    destination_unref(amqp);

    struct destination *jdbc = must_make(
        "{'protocol':'JDBC','connection':{'url':'jdbc:postgresql://db.consumer.com:5432/reports','driver':"
        "'org.postgresql.Driver','credentials':{'username':'zenia_writer','password':'{secret}'}},"
        "'table':'daily_reports','batch_size':100,'isolation_level':'READ_COMMITTED'}",
        NULL);
    assert_int_equal(jdbc->protocol, PROTOCOL_JDBC);
    destination_unref(jdbc);

    struct destination *aws = must_make("{'protocol':'s3','region':'eu-south-1','bucket':'reports'}", NULL);
    assert_null(aws->endpoint);
    assert_true(aws->virtual_host && aws->checksum);
    assert_string_equal(aws->key, "{tenant_id}/{date}/{distribution_id}.json");
    assert_int_equal(aws->part_size, 16777216);
    destination_unref(aws);
    struct destination *store = must_make(
        "{'protocol':'S3','endpoint':'http://s3:9000','region':'x','bucket':'a.b','encryption':'aes256'}",
        NULL);
    assert_false(store->virtual_host);
    assert_string_equal(store->encryption, "AES256");
    destination_unref(store);

    struct destination *inlined = must_make("{'name':'hook','protocol':'REST','endpoint':"
                                            "'https://ms09.zenia.local/api/reports','format':'json',"
                                            "'credentials':'cred-ref-789'}",
                                            "acme");
    assert_int_equal(inlined->rendering->plain, FORMAT_JSON);
    assert_string_equal(inlined->credentials, "cred-ref-789");
    assert_string_equal(inlined->tenant, "acme");
    assert_string_equal(inlined->origin, "test");
    destination_unref(inlined);
}

static void absent_members_have_their_defaults(void **state)
{
    (void)state;
    struct destination *rest = must_make("{'protocol':'rest','endpoint':'http://h'}", NULL);
    assert_string_equal(rest->name, "hook");
    assert_string_equal(rest->method, "POST");
    assert_string_equal(rest->http_version, "1.1");
    assert_int_equal(rest->timeout_ms, 30000);
    assert_int_equal(rest->concurrency, 20);
    assert_int_equal(rest->rendering->plain, FORMAT_IDENTITY);
    assert_null(rest->credentials);
    assert_null(rest->headers);
    assert_null(rest->retry_policy);
    assert_null(rest->tenant);
    assert_false(rest->allow_private || rest->disabled);
    assert_ptr_equal(destination_ref(rest), rest);
    destination_unref(rest);
    assert_string_equal(rest->endpoint, "http://h"); /* one reference is left */
    destination_unref(rest);
    destination_unref(NULL);

    struct destination *file =
        must_make("{'protocol':'file','path':'/srv/out/{tenant_id}/{delivery_id}.json'}", NULL);
    assert_int_equal(file->mode, 0640);
    assert_true(file->sync == SYNC_FULL && !file->make_folders && file->folder_mode == 0750);
    assert_true(!file->owner.name && !file->group.name);
    destination_unref(file);
    struct destination *exec = must_make("{'protocol':'exec','command':['/bin/cat']}", NULL);
    assert_string_equal(exec->folder, "/");
    assert_int_equal(exec->umask, 0077);
    assert_int_equal(exec->limits.open_files, 1024);
    assert_true(!exec->limits.cpu_s && !exec->limits.memory && !exec->limits.file_size &&
                !exec->limits.processes);
    destination_unref(exec);
}

static void members_of_every_protocol_are_read(void **state)
{
    (void)state;
    struct destination *rest = must_make(
        "{'protocol':'REST','endpoint':'HTTPS://h:8443/"
        "a?b={date}','method':'put','http_version':'2','allow_private':"
        "true,'disabled':true,'concurrency':1000,'timeout':'1m30s','format':'RAW','description':'x',"
        "'retry_policy':'none'}",
        NULL);
    assert_string_equal(rest->method, "PUT");
    assert_string_equal(rest->http_version, "2");
    assert_true(rest->allow_private && rest->disabled);
    assert_int_equal(rest->concurrency, 1000);
    assert_int_equal(rest->timeout_ms, 90000);
    assert_int_equal(rest->rendering->plain, FORMAT_RAW);
    destination_unref(rest);
    struct destination *file = must_make("{'protocol':'FILE','path':'/a/..b/c.','mode':'600'}", NULL);
    assert_int_equal(file->mode, 0600);
    assert_string_equal(file->path, "/a/..b/c.");
    destination_unref(file);
    file = must_make("{'protocol':'file','path':'/a','sync':'None','owner':'www-data','group':'33',"
                     "'make_folders':true,'folder_mode':'0711'}",
                     NULL);
    assert_true(file->sync == SYNC_NONE && file->make_folders && file->folder_mode == 0711);
    assert_true(!file->owner.known && file->group.known && file->group.id == 33);
    assert_string_equal(file->owner.name, "www-data");
    destination_unref(file);
    struct destination *exec = must_make(
        "{'protocol':'exec','command':['/bin/cat','{delivery_id}','{{'],'folder':'/srv/x','umask':'027',"
        "'environment':{'HOME':'/srv','_1':'{date}'},'limits':{'cpu':10,'memory':65536,'file_size':1,"
        "'open_files':5,'processes':1}}",
        NULL);
    assert_int_equal(json_array_size(exec->command), 3);
    assert_string_equal(exec->folder, "/srv/x");
    assert_int_equal(exec->umask, 0027);
    assert_int_equal(json_object_size(exec->environment), 2);
    assert_true(exec->limits.cpu_s == 10 && exec->limits.memory == 65536 && exec->limits.file_size == 1);
    assert_true(exec->limits.open_files == 5 && exec->limits.processes == 1);
    destination_unref(exec);
    struct destination *null = must_make("{'protocol':'null'}", "acme");
    assert_int_equal(null->protocol, PROTOCOL_NULL);
    destination_unref(null);
}

static void a_rate_is_per_second_with_the_burst_of_a_second(void **state)
{
    static const struct {
        const char *rate;
        double per_s, burst;
    } cases[] = {
        {"1/s", 1, 1},      {"50/s", 50, 50}, {"1000000/s", 1e6, 1e6},
        {"3000/m", 50, 50}, {"30/m", 0.5, 1}, {"1/h", 1.0 / 3600, 1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *form = xasprintf("{'protocol':'null','rate':'%s'}", cases[i].rate);
        struct destination *destination = must_make(form, "acme");
        assert_true(destination->rate_per_s == cases[i].per_s);
        assert_true(destination_burst(destination) == cases[i].burst);
        destination_unref(destination);
        free(form);
    }
    struct destination *unlimited = must_make("{'protocol':'null'}", NULL);
    assert_true(unlimited->rate_per_s == 0 && destination_burst(unlimited) == 0);
    destination_unref(unlimited);
}

static void endpoints_with_a_literal_host_are_taken(void **state)
{
    static const char *const endpoints[] = {
        "http://127.0.0.1:65535",
        "https://[::1]:8443/x",
        "https://[2001:db8::1]",
        "http://h?x={data_type}",
        "https://h/{tenant_id}/{date}",
        "https://h/{{x}",
        "https://a_b.c-d/",
        "https://h/a@b:c",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(endpoints); i++) {
        char *form = xasprintf("{'protocol':'REST','endpoint':'%s'}", endpoints[i]);
        destination_unref(must_make(form, NULL));
        free(form);
    }
}

struct refusal {
    const char *form, *fault; /* `fault` is how the text begins */
};

static void assert_refused(const struct refusal *cases, size_t count, const char *tenant,
                           enum fault_class class)
{
    for (size_t i = 0; i < count; i++) {
        struct fault fault = {0};
        if (make(cases[i].form, tenant, &fault))
            fail_msg("%s: taken", cases[i].form);
        char *expected = quoted(cases[i].fault), *text = quoted(fault.text);
        if (strncmp(text, expected, strlen(expected)) != 0)
            fail_msg("%s: %s", cases[i].form, fault.text);
        assert_null(strstr(fault.text, "hunter2"));
        assert_int_equal(fault.class, class);
        free(expected);
        free(text);
    }
}

#define REST "{'protocol':'REST','endpoint':'https://h/',"
#define ENDPOINT(url) "{'protocol':'REST','endpoint':'" url "'}"
#define HEADER(header) REST "'headers':{" header "}}"
#define AMQP(connection) "{'protocol':'AMQP','connection':{" connection "},'exchange':'e','routing_key':'r'}"
#define S3(more) "{'protocol':'S3','region':'eu-south-1'" more "}"
#define SOAP(members) "{'protocol':'SOAP','endpoint':'https://h/'," members "}"
#define HDFS(members) "{'protocol':'HDFS'," members "}"
#define MAIL(members) "{'protocol':'SMTP','host':'h','from':'a@h.x','to':['b@h.x']" members "}"
#define SMTP(members) "{'protocol':'SMTP','host':'h'," members "}"
#define KEY "SHA256:xjRMRTqqrsnAsxdeSUXNfqxfTlsQ0JLY7K5OW7TzSMs"
#define SFTP(members) "{'protocol':'SFTP','host':'h'," members "}"
#define JDBC(connection, table) "{'protocol':'JDBC','connection':{" connection "},'table':'" table "'}"

static void wrong_common_members_are_refused(void **state)
{
    static const struct refusal cases[] = {
        {"5", "an object is wanted"},
        {"{}", "'protocol' is missing"},
        {"{'protocol':5}",
         "/protocol: REST, file, exec, null, AMQP, JDBC, S3, HDFS, SOAP, SMTP or SFTP is wanted"},
        {"{'protocol':'ftp'}",
         "/protocol: REST, file, exec, null, AMQP, JDBC, S3, HDFS, SOAP, SMTP or SFTP is wanted, not 'ftp'"},
        {"{'protocol':'REST'}", "'endpoint' is missing"},
        {"{'protocol':'null','schema':{}}", "/schema: a string is wanted, not an object"},
        {"{'protocol':'null','schema':'order'}", "/schema: the name of a file of schemas.d is wanted"},
        {"{'protocol':'null','schema':'../order.json'}", "/schema: the name of a file of schemas.d"},
        {"{'protocol':'null','allow_private':true}", "unknown member 'allow_private'"},
        {REST "'metod':'PUT'}", "unknown member 'metod'; did you mean 'method'?"},
        {REST "'name':'other'}", "/name: 'other' differs from 'hook'"},
        {REST "'name':'a b'}", "/name: a name"},
        {REST "'format':'yaml'}", "/format: there is no format 'yaml'"},
        {REST "'format':{'type':'xml','root':'a b'}}", "/format/root: "},
        {REST "'input':'cvs'}", "/input: there is no input 'cvs'; did you mean 'csv'?"},
        {REST "'transform':[]}", "/transform: a jq program is wanted"},
        {REST "'compress':'gzip','headers':{'content-encoding':'br'}}",
         "/headers/content-encoding: \"compress\" sets this field"},
        {REST "'credentials':'Bearer hunter2'}", "/credentials: the name of a stored credential is wanted"},
        {REST "'credentials':{'password':'hunter2'}}", "/credentials: a string is wanted, not an object"},
        {REST "'timeout':0.05}", "/timeout: a number of seconds"},
        {REST "'timeout':'2h'}", "/timeout: a number of seconds"},
        {REST "'concurrency':0}", "/concurrency: a whole number from 1 to 1000"},
        {REST "'rate':50}", "/rate: a string is wanted"},
        {REST "'rate':''}", "/rate: a whole number from 1 to 1000000 and its unit is wanted"},
        {REST "'rate':'50'}", "/rate: a whole number from 1 to 1000000 and its unit is wanted, as "
                              "'50/s', '3000/m' or '100/h', not '50'"},
        {REST "'rate':'/s'}", "/rate: a whole number"},
        {REST "'rate':'0/s'}", "/rate: a whole number"},
        {REST "'rate':'-1/s'}", "/rate: a whole number"},
        {REST "'rate':'1.5/s'}", "/rate: a whole number"},
        {REST "'rate':'1000001/s'}", "/rate: a whole number"},
        {REST "'rate':'99999999999999999999/s'}", "/rate: a whole number"},
        {REST "'rate':'50/d'}", "/rate: a whole number"},
        {REST "'rate':'50/'}", "/rate: a whole number"},
        {REST "'rate':'50 /s'}", "/rate: a whole number"},
        {REST "'rate':'50/s/s'}", "/rate: a whole number"},
        {REST "'retry_policy':{'max_attempts':0}}", "/retry_policy/max_attempts: a whole number"},
    };
    struct fault fault;
    (void)state;
    assert_refused(cases, COUNT(cases), NULL, FAULT_INPUT);
    json_t *form = json_object();
    assert_null(form_destination("a b", form, NULL, "test", &fault));
    assert_non_null(strstr(fault.text, "'a b' is not a name"));
    json_decref(form);
}

static void wrong_endpoints_are_refused(void **state)
{
    static const struct refusal cases[] = {
        {"{'protocol':'REST','endpoint':5}", "/endpoint: a string is wanted"},
        {ENDPOINT(""), "/endpoint: a URL with http:// or https:// is wanted"},
        {ENDPOINT("ftp://h/"), "/endpoint: a URL with http:// or https:// is wanted"},
        {ENDPOINT("https:/h/"), "/endpoint: a URL with http:// or https:// is wanted"},
        {ENDPOINT("https:///x"), "/endpoint: no valid host"},
        {ENDPOINT("https://?x"), "/endpoint: no valid host"},
        {ENDPOINT("https://h%41/"), "/endpoint: no valid host"},
        {ENDPOINT("https://[::1/"), "/endpoint: no valid host"},
        {ENDPOINT("https://[fe80::1%25eth0]/"), "/endpoint: no valid host"},
        {ENDPOINT("https://[]/"), "/endpoint: no valid host"},
        {ENDPOINT("https://h:/"), "/endpoint: the port"},
        {ENDPOINT("https://h:0/"), "/endpoint: the port"},
        {ENDPOINT("https://h:65536/"), "/endpoint: the port"},
        {ENDPOINT("https://h:123456789/"), "/endpoint: the port"},
        {ENDPOINT("https://[::1]x/"), "/endpoint: the port"},
        {ENDPOINT("https://u:hunter2@h/"), "/endpoint: a user in the URL"},
        {ENDPOINT("https://{tenant_id}.h/"), "/endpoint: placeholders are taken in path and query"},
        {ENDPOINT("https://h{date}"), "/endpoint: placeholders are taken in path and query"},
        {ENDPOINT("https://h/a b"), "/endpoint: a blank"},
        {ENDPOINT("https://h/\\u0007"), "/endpoint: a blank"},
        {ENDPOINT("https://h/\xc3\xa9"), "/endpoint: a blank"},
        {ENDPOINT("https://h\\\\@x/"), "/endpoint: a blank"},
        {ENDPOINT("https://h/#x"), "/endpoint: a fragment (#)"},
        {ENDPOINT("https://h/{tenant}"),
         "/endpoint: unknown placeholder {tenant}; did you mean {tenant_id}?"},
        {ENDPOINT("https://h/{date"), "/endpoint: a '{' without '}'"},
        {ENDPOINT("https://h/{}"), "/endpoint: unknown placeholder {}"},
        {ENDPOINT("https://h/?key={token}"), "/endpoint: {token} is not taken here"},
        {ENDPOINT("https://h/{username}"), "/endpoint: {username} is not taken here"},
        {ENDPOINT("https://h/{password}"), "/endpoint: {password} is not taken here"},
        {ENDPOINT("https://h/{secret}"), "/endpoint: {secret} is not taken here"},
    };
    (void)state;
    assert_refused(cases, COUNT(cases), NULL, FAULT_INPUT);
    char *url = xasprintf("{'protocol':'REST','endpoint':'https://h/%0*d'}", LIMIT_URL, 0);
    struct fault fault;
    assert_null(make(url, NULL, &fault));
    assert_string_equal(fault.text, "/endpoint: longer than 8192 bytes");
    free(url);
}

static void wrong_rest_members_are_refused(void **state)
{
    static const struct refusal cases[] = {
        {REST "'method':'TRACE'}", "/method: 'GET', 'HEAD', 'POST'"},
        {REST "'http_version':'3'}", "/http_version: '1.1', '2' or '2-prior-knowledge' is wanted"},
        {REST "'http_version':'2-prior-knowledge'}", "/http_version: '2-prior-knowledge' is for http://"},
        {"{'protocol':'REST','endpoint':'http://h','http_version':'2'}",
         "/http_version: '2' is agreed on over TLS"},
        {REST "'headers':[]}", "/headers: an object of strings is wanted, not an array"},
        {HEADER("'X-Pin':5"), "/headers/X-Pin: a string is wanted, not a number"},
        {HEADER("'X Y':'a'"), "/headers: 'X Y' cannot be the name of a header field"},
        {HEADER("'':'a'"), "/headers: '' cannot be the name of a header field"},
        {HEADER("'X:':'a'"), "/headers: 'X:' cannot be the name of a header field"},
        {HEADER("'X':'hunter2\\r\\nY: b'"), "/headers/X: a control character"},
        {HEADER("'X':'{tokn}'"), "/headers/X: unknown placeholder {tokn}; did you mean {token}?"},
        {HEADER("'content-length':'5'"),
         "/headers/content-length: this field is set by the HTTP client alone"},
        {HEADER("'Transfer-Encoding':'x'"), "/headers/Transfer-Encoding: this field is set by"},
        {REST "'tls':{'verify':false}}", "/tls: unknown member 'verify'"},
        {REST "'tls':{'server_name':'h'}}", "/tls: unknown member 'server_name'"},
        {REST "'tls':{'ca_file':'ca.pem'}}", "/tls/ca_file: the absolute path of a PEM file is wanted"},
        {REST "'tls':{'cert_file':'/a/../b'}}", "/tls/cert_file: the absolute path"},
        {REST "'tls':{'key_file':'/key.pem'}}", "/tls/key_file: a key without 'cert_file'"},
        {"{'protocol':'REST','endpoint':'http://h','tls':{'ca_file':'/ca'}}",
         "/tls: the connection is not encrypted"},
        {HEADER("'X-A':'1','x-a':'2'"), "/headers/x-a: the field is there twice"},
        {HEADER("'proxy-connection':'close'"), "/headers/proxy-connection: this field is set by"},
        {HEADER("'HTTP2-Settings':'AAMA'"), "/headers/HTTP2-Settings: this field is set by"},
    };
    (void)state;
    assert_refused(cases, COUNT(cases), NULL, FAULT_INPUT);
    struct fault fault;
    json_t *form = json_pack("{s:s,s:s,s:{}}", "protocol", "REST", "endpoint", "https://h/", "headers");
    json_t *headers = json_object_get(form, "headers");
    char *value = xasprintf("%08193d", 0);
    json_object_set_new(headers, "X", json_string(value));
    assert_null(form_destination("hook", form, NULL, "test", &fault));
    assert_string_equal(fault.text, "/headers/X: longer than 8192 bytes");
    for (int i = 0; i < LIMIT_HEADERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "X-%d", i);
        json_object_set_new(headers, name, json_string(""));
    }
    assert_null(form_destination("hook", form, NULL, "test", &fault));
    assert_string_equal(fault.text, "/headers: more than 100");
    free(value);
    json_decref(form);
}

static void the_sender_of_a_request_is_read(void **state)
{
    (void)state;
    struct destination *hook = must_make(
        REST "'credentials':'c','signing':{'credentials':'keys'},'auth':{'scheme':'oauth2','token_url':"
             "'https://login.example.com/token','scope':'a b','audience':'x','client':'body'},"
             "'proxy':'socks5h://proxy.example.com:1080','on_gone':'reject'}",
        NULL);
    assert_int_equal(hook->auth, AUTH_OAUTH2);
    assert_string_equal(hook->token_url, "https://login.example.com/token");
    assert_string_equal(hook->scope, "a b");
    assert_string_equal(hook->audience, "x");
    assert_true(hook->client_in_body && hook->gone_rejects);
    assert_string_equal(hook->signing, "keys");
    assert_string_equal(hook->proxy, "socks5h://proxy.example.com:1080");
    destination_unref(hook);

    hook = must_make(REST "'credentials':'c','auth':{'scheme':'api_key','header':'X-API-Key'}}", "acme");
    assert_int_equal(hook->auth, AUTH_API_KEY);
    assert_string_equal(hook->auth_header, "X-API-Key");
    assert_false(hook->gone_rejects || hook->client_in_body);
    assert_null(hook->signing);
    destination_unref(hook);

    hook = must_make(REST "'credentials':'c','allow_private':true,'auth':{'scheme':'oauth2','token_url':"
                          "'http://127.0.0.1/t'}}",
                     NULL);
    assert_string_equal(hook->token_url, "http://127.0.0.1/t");
    destination_unref(hook);
    hook = must_make(REST "'credentials':'c','auth':{'scheme':'Bearer'},'on_gone':'disable'}", NULL);
    assert_int_equal(hook->auth, AUTH_BEARER);
    destination_unref(hook);
    hook = must_make(REST "'credentials':'c','auth':{'scheme':'basic'}}", NULL);
    assert_int_equal(hook->auth, AUTH_BASIC);
    destination_unref(hook);
    hook = must_make(REST "'proxy':'direct'}", NULL);
    assert_string_equal(hook->proxy, "direct");
    destination_unref(hook);
    hook = must_make(REST "'proxy':'http://p:3128/'}", NULL);
    assert_int_equal(hook->auth, AUTH_PLAIN);
    destination_unref(hook);
}

/* Its 410 may be about the tenant or the day in the URL: it holds not everybody's deliveries. */
static void a_410_disables_only_an_endpoint_that_is_the_same_for_all(void **state)
{
    static const struct {
        const char *endpoint, *more;
        bool rejects;
    } cases[] = {
        {"https://h/hook", "", false},
        {"https://h/{{x}", "", false},
        {"https://h/{tenant_id}/hook", "", true},
        {"https://h/{{?day={date}", "", true},
        {"https://h/{tenant_id}/hook", ",'on_gone':'disable'", false},
        {"https://h/hook", ",'on_gone':'reject'", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *form = xasprintf("{'protocol':'REST','endpoint':'%s'%s}", cases[i].endpoint, cases[i].more);
        struct destination *hook = must_make(form, NULL);
        assert_int_equal(hook->gone_rejects, cases[i].rejects);
        destination_unref(hook);
        free(form);
    }
}

#define AUTH(auth) REST "'credentials':'c','auth':{" auth "}}"

static void wrong_senders_are_refused(void **state)
{
    static const struct refusal cases[] = {
        {REST "'auth':{'scheme':'bearer'}}",
         "/auth: it takes its secret from 'credentials', which is missing"},
        {AUTH(""), "/auth: 'scheme' is missing"},
        {AUTH("'scheme':'digest'"), "/auth/scheme: "},
        {AUTH("'scheme':'bearer','token':'hunter2'"), "/auth: unknown member 'token'"},
        {AUTH("'scheme':'api_key'"), "/auth: 'header' is missing"},
        {AUTH("'scheme':'api_key','header':'a b'"), "/auth/header: the name of a header field"},
        {AUTH("'scheme':'api_key','header':'content-length'"), "/auth/header: the name of a header field"},
        {AUTH("'scheme':'bearer','header':'X'"), "/auth/header: it belongs to the scheme 'api_key'"},
        {AUTH("'scheme':'oauth2'"), "/auth: 'token_url' is missing"},
        {AUTH("'scheme':'bearer','token_url':'https://h/'"), "/auth/token_url: it belongs to the scheme"},
        {AUTH("'scheme':'basic','scope':'x'"), "/auth: 'scope', 'audience' and 'client' belong to"},
        {AUTH("'scheme':'basic','client':'body'"), "/auth: 'scope', 'audience' and 'client' belong to"},
        {AUTH("'scheme':'oauth2','token_url':'http://h/'"), "/auth/token_url: a URL with https:// is wanted"},
        {AUTH("'scheme':'oauth2','token_url':'https://u:hunter2@h/'"), "/auth/token_url: a user in the URL"},
        {AUTH("'scheme':'oauth2','token_url':'https://h/{tenant_id}'"), "/auth/token_url: placeholders"},
        {AUTH("'scheme':'oauth2','token_url':'https://h/','client':'query'"), "/auth/client: "},
        {REST "'credentials':'c','auth':{'scheme':'bearer'},'headers':{'authorization':'x'}}",
         "/headers/Authorization: 'auth' sets this field"},
        {REST "'credentials':'c','auth':{'scheme':'api_key','header':'X-Key'},'headers':{'x-key':'x'}}",
         "/headers/X-Key: 'auth' sets this field"},
        {REST "'signing':'keys'}", "/signing: an object is wanted"},
        {REST "'signing':{}}", "/signing: 'credentials' is missing"},
        {REST "'signing':{'credentials':'whsec_hunter2+/='}}",
         "/signing/credentials: the name of a file of keys"},
        {REST "'signing':{'credentials':'k'},'method':'GET'}", "/signing: GET sends no body"},
        {REST "'signing':{'credentials':'k'},'headers':{'Webhook-Id':'1'}}",
         "/headers/webhook-id: 'signing' sets this field"},
        {REST "'proxy':'proxy:3128'}", "/proxy: a URL with http://, https:// or socks5h:// is wanted"},
        {REST "'proxy':'socks5://h'}", "/proxy: a URL with"},
        {REST "'proxy':'http://u:hunter2@h'}", "/proxy: a user in the URL"},
        {REST "'proxy':'http://h:80/x'}", "/proxy: nothing may stand behind the port"},
        {REST "'on_gone':'ignore'}", "/on_gone: "},
    };
    (void)state;
    assert_refused(cases, COUNT(cases), NULL, FAULT_INPUT);
}

#define CLEAR(protocol, more)                                                                                \
    "{'protocol':'" protocol "','endpoint':'http://h.example.com','credentials':'c'" more "}"

/* What lets us in is as good as public on such a way, unless the network is the operator's own. */
static void secrets_cross_no_network_in_clear_but_the_operators(void **state)
{
    static const char refusal[] = "/endpoint: 'credentials' would be sent in clear";
    static const struct refusal cases[] = {
        {CLEAR("REST", ""), refusal},
        {CLEAR("REST", ",'auth':{'scheme':'bearer'}"), refusal},
        {CLEAR("REST", ",'headers':{'X-Key':'{token}'}"), refusal},
        {CLEAR("S3", ",'region':'eu','bucket':'b1c'"), refusal},
        {CLEAR("HDFS", ",'path':'/a'"), refusal},
    };
    static const char *const taken[] = {
        CLEAR("REST", ",'allow_private':true"),
        CLEAR("S3", ",'region':'eu','bucket':'b1c','allow_private':true"),
        CLEAR("HDFS", ",'path':'/a','allow_private':true"),
        "{'protocol':'REST','endpoint':'HTTPS://h','credentials':'c'}",
        "{'protocol':'REST','endpoint':'http://h','signing':{'credentials':'c'}}", /* shows no key */
    };

    (void)state;
    assert_refused(cases, COUNT(cases), NULL, FAULT_INPUT);
    assert_refused(cases, COUNT(cases), "acme", FAULT_INPUT);
    for (size_t i = 0; i < COUNT(taken); i++)
        destination_unref(must_make(taken[i], NULL));
}

static void wrong_local_members_are_refused(void **state)
{
    static const struct refusal cases[] = {
        {"{'protocol':'file'}", "'path' is missing"},
        {"{'protocol':'file','path':'out/x'}", "/path: an absolute path to a file is wanted"},
        {"{'protocol':'file','path':'/out/'}", "/path: an absolute path"},
        {"{'protocol':'file','path':'/a//b'}", "/path: an absolute path"},
        {"{'protocol':'file','path':'/a/./b'}", "/path: an absolute path"},
        {"{'protocol':'file','path':'/a/../b'}", "/path: an absolute path"},
        {"{'protocol':'file','path':'/a/..'}", "/path: an absolute path"},
        {"{'protocol':'file','path':'/a\\nb'}", "/path: an absolute path"},
        {"{'protocol':'file','path':'/a/{token}'}", "/path: {token} is not taken here"},
        {"{'protocol':'file','path':'/a/{dte}'}", "/path: unknown placeholder {dte}; did you mean {date}?"},
        {"{'protocol':'file','path':'/a','mode':'4755'}", "/mode: permission bits"},
        {"{'protocol':'file','path':'/a','mode':'08'}", "/mode: permission bits"},
        {"{'protocol':'file','path':'/a','mode':'689'}", "/mode: permission bits"},
        {"{'protocol':'file','path':'/a','mode':420}", "/mode: a string is wanted"},
        {"{'protocol':'file','path':'/a','sync':'some'}", "/sync: \"full\", \"file\" or \"none\" is wanted"},
        {"{'protocol':'file','path':'/a','owner':''}", "/owner: "},
        {"{'protocol':'file','path':'/a','owner':'a b'}", "/owner: a name or an id is wanted"},
        {"{'protocol':'file','path':'/a','owner':'4294967295'}", "/owner: a name or an id is wanted"},
        {"{'protocol':'file','path':'/a','owner':33}", "/owner: a string of 1 to 32 bytes is wanted"},
        {"{'protocol':'file','path':'/a','group':'-1'}", "/group: a name or an id is wanted"},
        {"{'protocol':'file','path':'/a','group':'../x'}", "/group: a name or an id is wanted"},
        {"{'protocol':'file','path':'/a','folder_mode':'0755'}", "/folder_mode: is for \"make_folders\""},
        {"{'protocol':'file','path':'/a','make_folders':true,'folder_mode':'2755'}",
         "/folder_mode: permission bits"},
        {"{'protocol':'file','path':'/a','limits':{}}", "unknown member 'limits'"},
        {"{'protocol':'exec','command':['/bin/cat'],'folder':'tmp'}",
         "/folder: the absolute path of a folder"},
        {"{'protocol':'exec','command':['/bin/cat'],'folder':'/a/../b'}", "/folder: the absolute path of"},
        {"{'protocol':'exec','command':['/bin/cat'],'umask':'9'}", "/umask: permission bits"},
        {"{'protocol':'exec','command':['/bin/cat'],'environment':{'A-B':'x'}}", "/environment/A-B: letters"},
        {"{'protocol':'exec','command':['/bin/cat'],'environment':{'1A':'x'}}", "/environment/1A: letters"},
        {"{'protocol':'exec','command':['/bin/cat'],'environment':{'A=B':'x'}}", "/environment/A=B: letters"},
        {"{'protocol':'exec','command':['/bin/cat'],'environment':{'DIST_TENANT_ID':'x'}}",
         "/environment/DIST_TENANT_ID: letters, digits and '_' are wanted, and not DIST_ in front"},
        {"{'protocol':'exec','command':['/bin/cat'],'environment':{'KEY':'{password}'}}",
         "/environment/KEY: {password} is not taken here"},
        {"{'protocol':'exec','command':['/bin/cat'],'environment':{'KEY':5}}", "/environment"},
        {"{'protocol':'exec','command':['/bin/cat'],'limits':{'cpu':0}}",
         "/limits/cpu: a whole number from 1"},
        {"{'protocol':'exec','command':['/bin/cat'],'limits':{'memory':1000}}",
         "/limits/memory: a whole number"},
        {"{'protocol':'exec','command':['/bin/cat'],'limits':{'open_files':4}}",
         "/limits/open_files: a whole"},
        {"{'protocol':'exec','command':['/bin/cat'],'limits':{'files':4}}",
         "/limits: unknown member 'files'"},
        {"{'protocol':'exec','command':['/bin/cat'],'credentials':'c'}",
         "/credentials: a command is not handed"},
        {"{'protocol':'exec'}", "'command' is missing"},
        {"{'protocol':'exec','command':[]}", "/command: an array of 1 to 256 elements is wanted, not 0"},
        {"{'protocol':'exec','command':['cat']}", "/command/0: the absolute path of a program is wanted"},
        {"{'protocol':'exec','command':['/bin/{date}']}", "/command/0: the absolute path of a program"},
        {"{'protocol':'exec','command':['/bin/cat',5]}", "/command/1: a string of at most 4096 bytes"},
        {"{'protocol':'exec','command':['/bin/cat','a','--key={password}']}",
         "/command/2: {password} is not taken here"},
    };
    (void)state;
    assert_refused(cases, COUNT(cases), NULL, FAULT_INPUT);
}

static void wrong_connections_are_refused(void **state)
{
    static const char literal[] = "/connection/credentials/password: a password is not written into a form";
    static const struct refusal cases[] = {
        {"{'protocol':'AMQP','exchange':'e','routing_key':'r'}", "'connection' is missing"},
        {AMQP(""), "/connection: 'host' is missing"},
        {AMQP("'host':'h','prot':1"), "/connection: unknown member 'prot'; did you mean 'port'?"},
        {AMQP("'host':'{tenant_id}'"), "/connection/host: the name of a host is wanted"},
        {AMQP("'host':''"), "/connection/host: the name of a host is wanted"},
        {AMQP("'host':'h','port':0"), "/connection/port: a whole number from 1 to 65535"},
        {AMQP("'host':'h','credentials':{'pass':'hunter2'}"),
         "/connection/credentials: unknown member 'pass'"},
        {AMQP("'host':'h','credentials':{'password':'hunter2'}"), literal},
        {AMQP("'host':'h','credentials':{'username':'{usr}'}"), "/connection/credentials/username: unknown"},
        {AMQP("'host':'h','credentials':{'username':'{tenant_id}'}"),
         "/connection/credentials/username: a name, or"},
        {AMQP("'host':'h','credentials':{'username':''}"), "/connection/credentials/username: a string of"},
        {AMQP("'host':'h','scheme':'amqpx'"), "/connection/scheme: "},
        {AMQP("'host':'h','heartbeat':9"), "/connection/heartbeat: "},
        {AMQP("'host':'h','connect_timeout':'1h'"), "/connection/connect_timeout: "},
        {AMQP("'host':'h','vhost':''"), "/connection/vhost: "},
        {"{'protocol':'AMQP','connection':{'host':'h'},'exchange':'e','routing_key':'r','tls':{}}",
         "/tls: the connection is not encrypted"},
        {"{'protocol':'AMQP','connection':{'host':'h'},'exchange':'e\\n','routing_key':'r'}",
         "/exchange: a control character"},
        {"{'protocol':'AMQP','connection':{'host':'h'},'exchange':'e','routing_key':'r','content_type':'"
         "a\\tb'}",
         "/content_type: a control character"},
        {"{'protocol':'AMQP','connection':{'host':'h'},'exchange':'e','routing_key':'r','headers':{'x':'{"
         "secret}'}}",
         "/headers/x: {secret} is not taken here"},
        {"{'protocol':'AMQP','connection':{'host':'h'},'exchange':'e','routing_key':'r','headers':{'':'y'}}",
         "/headers: a name of 1 to 128 bytes"},
        {"{'protocol':'AMQP','connection':{'host':'h'},'exchange':'e','routing_key':'r','headers':{'x':1}}",
         "/headers"},
        {"{'protocol':'AMQP','connection':{'host':'h'},'exchange':'e'}", "'routing_key' is missing"},
        {"{'protocol':'AMQP','connection':{'host':'h'},'exchange':'e','routing_key':'{token}'}",
         "/routing_key: {token} is not taken here"},
        {"{'protocol':'AMQP','connection':{'host':'h'},'exchange':'e','routing_key':'r','delivery_mode':3}",
         "/delivery_mode: a whole number from 1 to 2"},
        {JDBC("", "t"), "/connection: 'url' is missing"},
        {JDBC("'url':'h/d'", "t"), "/connection/url: jdbc:postgresql://host:port/database or"},
        {JDBC("'url':'jdbc:mysql://hunter2@h/d'", "t"),
         "/connection/url: only PostgreSQL is delivered to, not 'mysql'"},
        {JDBC("'url':'jdbc:oracle:thin:@h:1521:d'", "t"),
         "/connection/url: only PostgreSQL is delivered to, not 'oracle'"},
        {JDBC("'url':'jdbc:postgresql://{date}/d'", "t"), "/connection/url: blanks"},
        {JDBC("'url':'jdbc:postgresql://h/d?Password=hunter2'", "t"), "/connection/url: a secret in the URL"},
        {JDBC("'url':'jdbc:postgresql://u:hunter2@h/d'", "t"), "/connection/url: a secret in the URL"},
        {JDBC("'url':'jdbc:postgresql:x','driver':'com.mysql.jdbc.Driver'", "t"),
         "/connection/driver: only 'org.postgresql.Driver'"},
        {JDBC("'url':'jdbc:postgresql:x','credentials':{'password':'hunter2'}", "t"), literal},
        {JDBC("'url':'jdbc:postgresql:x'", "t; drop"), "/table: 'table' or 'schema.table' is wanted"},
        {JDBC("'url':'jdbc:postgresql:x'", "a..b"), "/table: 'table' or 'schema.table' is wanted"},
        {JDBC("'url':'jdbc:postgresql:x'", ""), "/table: 'table' or 'schema.table' is wanted"},
        {S3(""), "'bucket' is missing"},
        {S3(",'bucket':'b1c','endpoint':'s3.example.com'"), "/endpoint: a URL with http:// or https://"},
        {S3(",'bucket':'b1c','endpoint':'https://s3.example.com/'"), "/endpoint: a URL without placeholders"},
        {S3(",'bucket':'b1c','endpoint':'https://s3.example.com/{date}'"), "/endpoint: a URL without"},
        {S3(",'bucket':'b1c','endpoint':'https://k:hunter2@s3.example.com'"), "/endpoint: a user in the URL"},
        {S3(",'bucket':'Reports'"), "/bucket: lower-case letters"},
        {S3(",'bucket':'-ab'"), "/bucket: lower-case letters"},
        {S3(",'bucket':'ab'"), "/bucket: "},
        {S3(",'bucket':'a.b.c','style':'virtual'"), "/style: no certificate covers"},
        {S3(",'bucket':'b1c','style':'host'"), "/style: "},
        {S3(",'bucket':'b1c','key':'/a'"), "/key: no '/' at its beginning"},
        {S3(",'bucket':'b1c','key':'a/'"), "/key: no '/' at its beginning"},
        {S3(",'bucket':'b1c','key':'a/../b'"), "/key: no '/' at its beginning"},
        {S3(",'bucket':'b1c','key':'{token}'"), "/key: {token} is not taken here"},
        {S3(",'bucket':'b1c','encryption':'AES'"), "/encryption: "},
        {S3(",'bucket':'b1c','encryption':'AES256','kms_key_id':'k'"), "/kms_key_id: it is for"},
        {S3(",'bucket':'b1c','encryption':'aws:kms','kms_key_id':'a b'"), "/kms_key_id: the id or ARN"},
        {S3(",'bucket':'b1c','part_size':5242879"), "/part_size: a whole number from 5242880"},
        {S3(",'bucket':'b1c','endpoint':'http://h','tls':{'ca_file':'/a'}"), "/tls: the connection is not"},
        {"{'protocol':'S3','region':'cn-north-1','bucket':'b1c'}", "'endpoint' is missing"},
        {"{'protocol':'S3','region':'a/b','bucket':'b1c'}", "/region: lower-case letters"},
        {HDFS("'path':'/a'"), "'endpoint' is missing"},
        {HDFS("'endpoint':'http://n'"), "'path' is missing"},
        {HDFS("'endpoint':'http://n/','path':'/a'"), "/endpoint: a URL without placeholders"},
        {HDFS("'endpoint':'hdfs://n','path':'/a'"), "/endpoint: a URL with http:// or https://"},
        {HDFS("'endpoint':'http://n','path':'ab'"), "/path: an absolute path"},
        {HDFS("'endpoint':'http://n','path':'/a:b'"), "/path: an absolute path"},
        {HDFS("'endpoint':'http://n','path':'/{secret}'"), "/path: {secret} is not taken here"},
        {HDFS("'endpoint':'http://n','path':'/a','user':'a b'"), "/user: the name of a user"},
        {HDFS("'endpoint':'http://n','path':'/a','permission':'0999'"), "/permission: three octal digits"},
        {HDFS("'endpoint':'http://n','path':'/a','datanodes':[]"), "/datanodes: "},
        {HDFS("'endpoint':'http://n','path':'/a','proxy':'ftp://p'"), "/proxy: a URL with"},
        {S3(",'bucket':'b1c','proxy':'http://p/x'"), "/proxy: nothing may stand behind the port"},
        {HDFS("'endpoint':'http://n','path':'/a','datanodes':['a/b']"), "/datanodes/0: the name of a host"},
        {SMTP("'to':['b@h.x']"), "'from' is missing"},
        {SMTP("'from':'a@h.x'"), "'to' is missing"},
        {SMTP("'from':'a@h.x','to':[]"), "/to: "},
        {SMTP("'from':'a@h.x','to':'b@h.x'"), "/to: an array of 1 to 100 elements is wanted"},
        {SMTP("'from':'a','to':['b@h.x']"), "/from: \"user@example.com\" or"},
        {SMTP("'from':'a@h.x','to':['b@h.x','c']"), "/to/1: \"user@example.com\" or"},
        {SMTP("'from':'a@h.x','to':[5]"), "/to/0: a string is wanted"},
        {SMTP("'from':'a@h.x\\r\\nBcc: c@h.x','to':['b@h.x']"),
         "/from: longer than 754 bytes, or with a control"},
        {SMTP("'from':'a@h.x','to':['{tenant_id}@h.x\\nx']"), "/to/0: a control character"},
        {SMTP("'from':'a@h.x','to':['{token}@h.x']"), "/to/0: {token} is not taken here"},
        {MAIL(",'cc':['b']"), "/cc/0: \"user@example.com\" or"},
        {MAIL(",'reply_to':'b'"), "/reply_to: \"user@example.com\" or"},
        {MAIL(",'subject':'a\\nb'"), "/subject: a control character"},
        {MAIL(",'subject':'{password}'"), "/subject: {password} is not taken here"},
        {MAIL(",'report':'both'"), "/report: "},
        {MAIL(",'filename':'a.json'"), "/filename: the report is the body of the mail"},
        {MAIL(",'text':'a'"), "/text: the report is the body of the mail"},
        {MAIL(",'report':'attachment','text':'{x}'"), "/text: unknown placeholder {x}"},
        {MAIL(",'report':'attachment','text':'a\\u0001'"), "/text: a control character"},
        {MAIL(",'report':'attachment','filename':'a\\n'"), "/filename: a control character"},
        {MAIL(",'security':'maybe'"), "/security: "},
        {MAIL(",'security':'none','credentials':'c'"), "/credentials: they are not sent over a connection"},
        {MAIL(",'security':'none','tls':{'ca_file':'/a'}"), "/tls: the connection is not encrypted"},
        {MAIL(",'username':'u'"), "/username: there is no login without"},
        {MAIL(",'login':'bearer'"), "/login: there is no login without"},
        {MAIL(",'ehlo':'a b'"), "/ehlo: the name of a host"},
        {MAIL(",'port':0"), "/port: a whole number from 1 to 65535"},
        {SFTP("'host_key':'" KEY "'"), "'path' is missing"},
        {SFTP("'path':'/a'"), "/host_key: either it or \"known_hosts\" is wanted"},
        {SFTP("'path':'/a','host_key':'" KEY "','known_hosts':'/k'"), "/host_key: either it or"},
        {SFTP("'path':'/a','known_hosts':'k'"), "/known_hosts: the absolute path of a file"},
        {SFTP("'path':'/a','host_key':'" KEY "x'"), "/host_key: \"SHA256:...\" is wanted"},
        {SFTP("'path':'/a','host_key':'MD5:00'"), "/host_key: \"SHA256:...\" is wanted"},
        {SFTP("'path':'/a','host_key':[]"), "/host_key: 1 to 10 keys are wanted"},
        {SFTP("'path':'/a','host_key':['" KEY "',1]"), "/host_key/1: \"SHA256:...\" is wanted"},
        {SFTP("'path':'ab','host_key':'" KEY "'"), "/path: an absolute path"},
        {SFTP("'path':'/~/a','host_key':'" KEY "'"), "/path: an absolute path"},
        {SFTP("'path':'/../a','host_key':'" KEY "'"), "/path: an absolute path"},
        {SFTP("'path':'/{secret}','host_key':'" KEY "'"), "/path: {secret} is not taken here"},
        {SFTP("'path':'/a','host_key':'" KEY "','mode':'640'"), "/mode: permission bits as"},
        {"{'protocol':'SFTP','host':'a/b','path':'/a','host_key':'" KEY "'}", "/host: the name of a host"},
        {"{'protocol':'JDBC','connection':{'url':'jdbc:postgresql:x'},'table':'t','isolation_level':'"
         "SNAPSHOT'}",
         "/isolation_level: 'READ_UNCOMMITTED'"},
    };
    (void)state;
    assert_refused(cases, COUNT(cases), NULL, FAULT_INPUT);
}

static void soap_speaks_the_version_that_its_form_or_format_says(void **state)
{
    static const struct {
        const char *form;
        bool is_12;
    } cases[] = {
        {SOAP("'action':'a'"), true},
        {SOAP("'version':'1.1'"), false},
        {SOAP("'format':'soap'"), false},
        {SOAP("'format':{'type':'soap','version':'1.2'}"), true},
        {SOAP("'version':'1.1','format':'soap'"), false},
        {SOAP("'format':'xml'"), true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct destination *destination = must_make(cases[i].form, NULL);
        assert_int_equal(destination->soap.is_12, cases[i].is_12);
        assert_int_equal(destination->soap.password, SOAP_PASSWORD_NONE);
        assert_int_equal(destination->auth, AUTH_PLAIN);
        assert_string_equal(destination->method, "POST");
        destination_unref(destination);
    }
}

static void soap_security_takes_the_place_of_basic(void **state)
{
    struct destination *destination =
        must_make(SOAP("'credentials':'c','security':{'password':'digest'}"), NULL);

    (void)state;
    assert_int_equal(destination->soap.password, SOAP_PASSWORD_DIGEST);
    assert_true(destination->soap.timestamp);
    assert_int_equal(destination->soap.lifetime_ms, 300000);
    assert_int_equal(destination->auth, AUTH_NONE);
    destination_unref(destination);
    destination = must_make(
        SOAP("'credentials':'c','auth':{'scheme':'bearer'},'addressing':true,'action':'urn:{data_type}',"
             "'security':{'password':'text','lifetime':60}"),
        NULL);
    assert_int_equal(destination->soap.password, SOAP_PASSWORD_TEXT);
    assert_int_equal(destination->soap.lifetime_ms, 60000);
    assert_int_equal(destination->auth, AUTH_BEARER);
    assert_true(destination->soap.addressing);
    destination_unref(destination);
    destination = must_make("{'protocol':'SOAP','endpoint':'http://h','allow_private':true,'credentials':'c',"
                            "'security':{'password':'text','timestamp':false}}",
                            NULL);
    assert_false(destination->soap.timestamp);
    destination_unref(destination);
}

static void wrong_soap_members_are_refused(void **state)
{
    static const struct refusal cases[] = {
        {"{'protocol':'SOAP'}", "'endpoint' is missing"},
        {SOAP("'method':'POST'"), "unknown member 'method'"},
        {SOAP("'signing':{}"), "unknown member 'signing'"},
        {SOAP("'version':'2'"), "/version: "},
        {SOAP("'version':'1.2','format':'soap'"), "/version: the format makes an envelope of SOAP 1.1"},
        {SOAP("'format':'json'"), "/format: it makes no XML"},
        {SOAP("'format':'csv'"), "/format: it makes no XML"},
        {SOAP("'compress':'gzip'"), "/compress: the envelope is made after that"},
        {SOAP("'action':'a b'"), "/action: a URI is wanted"},
        {SOAP("'action':'{token}'"), "/action: {token} is not taken here"},
        {SOAP("'addressing':true"), "/addressing: it needs an 'action'"},
        {SOAP("'headers':{'soapaction':'x'}"), "/headers/soapaction: 'version' and 'action' set this field"},
        {SOAP("'headers':{'Content-Type':'x'}"), "/headers/Content-Type: 'version' and 'action'"},
        {SOAP("'security':{'password':'digest'}"), "/security: it takes user name and password from"},
        {SOAP("'credentials':'c','security':{}"), "/security: 'password' is missing"},
        {SOAP("'credentials':'c','security':{'password':'sha'}"), "/security/password: "},
        {SOAP("'credentials':'c','security':{'password':'text','lifetime':0.5}"), "/security/lifetime: "},
        {SOAP("'credentials':'c','security':{'password':'text','timestamp':false,'lifetime':5}"),
         "/security/lifetime: it is that of the timestamp"},
        {"{'protocol':'SOAP','endpoint':'http://h','credentials':'c','security':{'password':'text'}}",
         "/endpoint: 'credentials' would be sent in clear"},
    };

    (void)state;
    assert_refused(cases, COUNT(cases), NULL, FAULT_INPUT);
}

static void assert_explained(const struct json_field *fields, const struct form_help *help)
{
    for (size_t i = 0; fields[i].name; i++) {
        size_t row = 0;
        while (help[row].name && strcmp(help[row].name, fields[i].name) != 0)
            row++;
        if (!help[row].name)
            fail_msg("'%s' is not explained", fields[i].name);
    }
    for (size_t row = 0; help[row].name; row++) {
        size_t i = 0;
        while (fields[i].name && strcmp(help[row].name, fields[i].name) != 0)
            i++;
        if (!fields[i].name)
            fail_msg("'%s' is explained, and no member", help[row].name);
    }
}

static void every_protocol_has_a_form_to_start_with_and_explains_its_members(void **state)
{
    static const struct form_kind *const all[] = {&form_rest, &form_file, &form_exec, &form_null,
                                                  &form_amqp, &form_jdbc, &form_s3,   &form_hdfs,
                                                  &form_soap, &form_smtp, &form_sftp};
    (void)state;
    assert_int_equal(COUNT(all), PROTOCOL_COUNT);
    for (int i = 0; i < PROTOCOL_COUNT; i++) {
        struct destination unused = {0};
        struct form form = {.destination = &unused};
        struct json_field fields[FORM_FIELDS + 1] = {0};
        struct fault fault = {0};
        json_t *start = form_start((enum protocol)i);
        struct destination *made = form_destination("new", start, NULL, "test", &fault);
        if (!made)
            fail_msg("%s: %s", protocol_names[i], fault.text);
        assert_int_equal(made->protocol, i);
        destination_unref(made);
        json_decref(start);
        all[i]->fields(&form, fields);
        assert_explained(fields, form_help((enum protocol)i));
        struct json_field common[FORM_FIELDS_ALL] = {0};
        form_common_fields(&form, common);
        assert_explained(common, form_common_help);
    }
}

static void a_request_may_not_name_what_is_the_operators(void **state)
{
    static const struct refusal cases[] = {
        {"{'protocol':'file','path':'/etc/passwd'}", "/protocol: 'file' is for configured destinations"},
        {"{'protocol':'EXEC','command':['/bin/sh']}", "/protocol: 'exec' is for configured destinations"},
        {REST "'allow_private':true}", "/allow_private: only the operator"},
        {REST "'transform':'.'}", "/transform: only the operator names programs"},
        {REST "'transform':{'file':'x.jq'}}", "/transform: only the operator names programs"},
        {REST "'proxy':'http://p'}", "/proxy: only the operator names a proxy"},
        {REST "'proxy':'direct'}", "/proxy: only the operator names a proxy"},
        {"{'protocol':'S3','region':'eu','bucket':'b1c','proxy':'http://p'}", "/proxy: only the operator"},
        {"{'protocol':'HDFS','endpoint':'http://n','path':'/a','proxy':'http://p'}",
         "/proxy: only the operator"},
        {REST "'tls':{'ca_file':'/etc/ca.pem'}}", "/tls: only the operator names files"},
        {SFTP("'path':'/a','known_hosts':'/k'"), "/known_hosts: only the operator names files"},
        {REST "'input':{'type':'xml','max_nodes':500001}}",
         "/input/max_nodes: only the operator allows more than 500000"},
        {REST "'input':{'type':'csv','max_rows':1000001}}",
         "/input/max_rows: only the operator allows more than 1000000"},
        {REST "'input':{'type':'csv','max_field':1048577}}",
         "/input/max_field: only the operator allows more than 1048576"},
    };
    static const char *const inputs[] = {"'xml'", "'csv'", "{'type':'xml','max_nodes':500000}",
                                         "{'type':'csv','max_rows':1000000,'max_field':1048576}"};
    (void)state;
    assert_refused(cases, COUNT(cases), "acme", FAULT_DENIED);
    destination_unref(must_make(REST "'allow_private':false}", "acme"));
    for (size_t i = 0; i < COUNT(inputs); i++) {
        char *form = xasprintf(REST "'input':%s}", inputs[i]);
        destination_unref(must_make(form, "acme"));
        free(form);
    }
    destination_unref(must_make(REST "'input':{'type':'xml','max_nodes':10000000}}", NULL));
}

static const struct placeholders values = {
    .tenant_id = "acme",
    .distribution_id = "d/1",
    .data_type = "../x\n",
    .date = "2024-01-15",
    .token = "t\xc3\xa9k =",
    .username = "",
    .password = "p.w",
    .delivery_id = "..",
};

static void placeholders_are_filled_safe_for_their_place(void **state)
{
    static const struct {
        const char *pattern;
        enum placeholder_escape escape;
        const char *text;
    } cases[] = {
        {"", ESCAPE_NONE, ""},
        {"plain }", ESCAPE_NONE, "plain }"},
        {"{{{tenant_id}} {{", ESCAPE_NONE, "{acme} {"},
        {"{date}{date}", ESCAPE_NONE, "2024-01-152024-01-15"},
        {"Bearer {token}", ESCAPE_NONE, "Bearer t\xc3\xa9k ="},
        {"{password}{secret}", ESCAPE_NONE, "p.wp.w"},
        {"/a?b={token}&c={distribution_id}", ESCAPE_URL, "/a?b=t%C3%A9k%20%3D&c=d%2F1"},
        {"/{data_type}", ESCAPE_URL, "/..%2Fx%0A"},
        {"/o/{distribution_id}/{data_type}", ESCAPE_PATH, "/o/d_1/_._x_"},
        {"/o/{delivery_id}/x", ESCAPE_PATH, "/o/_./x"},
        {"/o/.{username}./x", ESCAPE_PATH, "/o/._./x"},
    };
    struct buf out;
    (void)state;
    buf_init(&out, 1000);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        buf_clear(&out);
        if (placeholders_expand(cases[i].pattern, &values, cases[i].escape, &out, &fault))
            fail_msg("%s: %s", cases[i].pattern, fault.text);
        assert_string_equal(out.data, cases[i].text);
    }
    buf_release(&out);
}

static void a_placeholder_that_cannot_be_filled_leaves_the_buffer_as_it_was(void **state)
{
    static const struct {
        const char *pattern, *fault;
        enum fault_class class;
    } cases[] = {
        {"a{token}b", "{token} has no value: \"credentials\" are missing or hold none", FAULT_DENIED},
        {"a{date}b", "{date} has no value", FAULT_CONFIG},
        {"a{data_type}b", "the value of {data_type} has a control character in it", FAULT_CONFIG},
        {"a{nothing}b", "unknown placeholder {nothing}; \"{{\" is a brace", FAULT_INPUT},
        {"a long text for a small buffer", "longer than 20 bytes with its placeholders filled in",
         FAULT_INPUT},
    };
    const struct placeholders few = {.data_type = "a\tb"};
    struct buf out;
    (void)state;
    buf_init(&out, 20);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        buf_clear(&out);
        buf_adds(&out, "kept");
        assert_int_equal(placeholders_expand(cases[i].pattern, &few, ESCAPE_NONE, &out, &fault), -1);
        assert_string_equal(fault.text, cases[i].fault);
        assert_int_equal(fault.class, cases[i].class);
        assert_string_equal(out.data, "kept");
    }
    buf_release(&out);
}

static int add(struct catalog *catalog, const char *text, const char *stem, struct fault *fault)
{
    char *copy = quoted(text);
    int result = catalog_add(catalog, copy, strlen(copy), stem, "d/x.json", fault);
    free(copy);
    return result;
}

static void a_catalog_holds_destinations_and_groups(void **state)
{
    struct catalog *catalog = catalog_new();
    struct fault fault = {0};
    size_t count;
    (void)state;
    assert_int_equal(add(catalog, "{'protocol':'null'}", "ops", &fault), 0);
    assert_int_equal(add(catalog, "{'protocol':'null','name':'named'}", "not a name", &fault), 0);
    assert_int_equal(
        add(catalog,
            "[{'name':'a','protocol':'null'},{'name':'both','group':['ops','a'],'policy':'failover',"
            "'description':'x'}]",
            "many", &fault),
        0);
    assert_int_equal(catalog_check(catalog, &fault), 0);
    assert_string_equal(catalog_destination(catalog, "ops")->origin, "d/x.json");
    assert_non_null(catalog_destination(catalog, "named"));
    assert_null(catalog_destination(catalog, "both"));
    assert_null(catalog_group(catalog, "ops"));
    struct group *group = catalog_group(catalog, "both");
    assert_int_equal(group->member_count, 2);
    assert_string_equal(group->members[0], "ops");
    assert_string_equal(group->members[1], "a");
    assert_string_equal(catalog_nearest(catalog, "namd"), "named");
    assert_string_equal(catalog_nearest(catalog, "bot"), "both");
    assert_null(catalog_nearest(catalog, "somethingelse"));
    const char **names = catalog_names(catalog, &count);
    assert_int_equal(count, 3);
    assert_string_equal(names[0], "a");
    assert_string_equal(names[1], "named");
    assert_string_equal(names[2], "ops");
    free(names);
    catalog_free(catalog);
    catalog_free(NULL);
}

static void wrong_files_are_refused(void **state)
{
    static const struct {
        const char *text, *stem, *fault;
    } cases[] = {
        {"{", "x", "line 1, column 2: the text ends where"},
        {"5", "x", "an object is wanted"},
        {"[5]", "x", "/0: an object is wanted"},
        {"[{'protocol':'null'}]", "x", "/0: 'name' is missing"},
        {"[{'name':'b','protocol':'null'},{'name':'c','protocol':'null','timeout':0}]", "x",
         "/1/timeout: a number"},
        {"{'name':5,'protocol':'null'}", "x", "/name: a name of letters"},
        {"{'protocol':'null'}", "a b", "for the destination of this file a name of letters"},
        {"{'protocol':'null'}", "here", "the name 'here' is defined in d/x.json already"},
        {"{'name':'team','protocol':'null'}", "x", "the name 'team' is defined in d/x.json already"},
        {"{'group':['a']}", "here", "the name 'here' is defined in d/x.json already"},
        {"{'group':[]}", "g", "/group: an array of 1 to 32 elements is wanted, not 0"},
        {"{'group':'a'}", "g", "/group: an array"},
        {"{'group':['a','a']}", "g", "/group/1: 'a' is there twice"},
        {"{'group':['a',5]}", "g", "/group/1: the name of a destination is wanted"},
        {"{'group':['a'],'policy':'random'}", "g", "/policy: unknown policy 'random'"},
        {"{'group':['a','b'],'policy':'weighted','weights':{'c':2}}", "g",
         "/weights: 'c' is no member of the group"},
        {"{'group':['a'],'policy':'consistent_hash'}", "g", "'hash_on' is missing"},
        {"{'protocol':'null'}", "unrouted", "'unrouted' is the target of what has nowhere to go"},
        {"{'group':['a'],'max_queue':0}", "g", "/max_queue: a whole number from 1 to 100000 is wanted"},
        {"{'group':['a'],'protocol':'null'}", "g", "unknown member 'group'"},
    };
    struct catalog *catalog = catalog_new();
    (void)state;
    assert_int_equal(add(catalog, "{'protocol':'null'}", "here", NULL), 0);
    assert_int_equal(add(catalog, "{'group':['here']}", "team", NULL), 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fault fault = {0};
        assert_int_equal(add(catalog, cases[i].text, cases[i].stem, &fault), -1);
        char *expected = quoted(cases[i].fault), *text = quoted(fault.text);
        if (strncmp(text, expected, strlen(expected)) != 0)
            fail_msg("%s: %s", cases[i].text, fault.text);
        assert_int_equal(fault.class, FAULT_INPUT);
        free(expected);
        free(text);
    }
    assert_int_equal(add(catalog, "[5]", "x", NULL), -1);
    catalog_free(catalog);
}

static void groups_name_destinations_that_exist(void **state)
{
    static const char *const cases[][2] = {
        {"{'name':'g','group':['oops']}",
         "d/x.json: group 'g': /group/0: no destination is named 'oops'; did you mean 'ops'?"},
        {"{'name':'g','group':['zzzzzz']}",
         "d/x.json: group 'g': /group/0: no destination is named 'zzzzzz'"},
        {"{'name':'g','group':['ops','g']}", "d/x.json: group 'g': /group/1: 'g' is a group itself"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct catalog *catalog = catalog_new();
        struct fault fault = {0};
        assert_int_equal(add(catalog, "{'protocol':'null'}", "ops", NULL), 0);
        assert_int_equal(add(catalog, cases[i][0], "x", NULL), 0);
        assert_int_equal(catalog_check(catalog, &fault), -1);
        assert_string_equal(fault.text, cases[i][1]);
        assert_int_equal(fault.class, FAULT_INPUT);
        catalog_free(catalog);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_forms_of_the_specification_are_taken),
        cmocka_unit_test(absent_members_have_their_defaults),
        cmocka_unit_test(members_of_every_protocol_are_read),
        cmocka_unit_test(a_rate_is_per_second_with_the_burst_of_a_second),
        cmocka_unit_test(endpoints_with_a_literal_host_are_taken),
        cmocka_unit_test(wrong_common_members_are_refused),
        cmocka_unit_test(wrong_endpoints_are_refused),
        cmocka_unit_test(wrong_rest_members_are_refused),
        cmocka_unit_test(the_sender_of_a_request_is_read),
        cmocka_unit_test(a_410_disables_only_an_endpoint_that_is_the_same_for_all),
        cmocka_unit_test(wrong_senders_are_refused),
        cmocka_unit_test(secrets_cross_no_network_in_clear_but_the_operators),
        cmocka_unit_test(wrong_local_members_are_refused),
        cmocka_unit_test(wrong_connections_are_refused),
        cmocka_unit_test(soap_speaks_the_version_that_its_form_or_format_says),
        cmocka_unit_test(soap_security_takes_the_place_of_basic),
        cmocka_unit_test(wrong_soap_members_are_refused),
        cmocka_unit_test(every_protocol_has_a_form_to_start_with_and_explains_its_members),
        cmocka_unit_test(a_request_may_not_name_what_is_the_operators),
        cmocka_unit_test(placeholders_are_filled_safe_for_their_place),
        cmocka_unit_test(a_placeholder_that_cannot_be_filled_leaves_the_buffer_as_it_was),
        cmocka_unit_test(a_catalog_holds_destinations_and_groups),
        cmocka_unit_test(wrong_files_are_refused),
        cmocka_unit_test(groups_name_destinations_that_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
