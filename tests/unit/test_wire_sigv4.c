/*
 * Signatures of AWS: the examples that the S3 API Reference publishes, with its keys
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "sigv4.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HOST "examplebucket.s3.amazonaws.com"
#define TIME "20130524T000000Z"
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct sigv4_key key = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                     "us-east-1", "s3"};

static const char *sign(const struct sigv4_request *request)
{
    static char text[1000];
    struct buf out;

    buf_init(&out, sizeof text - 1);
    assert_int_equal(sigv4_sign(&key, request, TIME, &out), 0);
    memcpy(text, out.data, out.len + 1);
    buf_release(&out);
    return text;
}

static void assert_signature(const struct sigv4_request *request, const char *signature)
{
    const char *text = sign(request), *found = strstr(text, ",Signature=");

    assert_non_null(found);
    assert_string_equal(found + strlen(",Signature="), signature);
}

static void the_published_examples_come_out(void **state)
{
    const struct sigv4_header get[] = {
        {"host", HOST}, {"range", "bytes=0-9"}, {"x-amz-content-sha256", EMPTY}, {"x-amz-date", TIME}};
    static const char body[] = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    const struct sigv4_header put[] = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                                       {"host", HOST},
                                       {"x-amz-content-sha256", body},
                                       {"x-amz-date", TIME},
                                       {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
    const struct sigv4_header plain[] = {
        {"host", HOST}, {"x-amz-content-sha256", EMPTY}, {"x-amz-date", TIME}};

    (void)state;
    assert_signature(&(struct sigv4_request){"GET", "/test.txt", "", get, COUNT(get), EMPTY},
                     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    assert_signature(&(struct sigv4_request){"PUT", "/test%24file.text", "", put, COUNT(put), body},
                     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    assert_signature(&(struct sigv4_request){"GET", "/", "lifecycle=", plain, COUNT(plain), EMPTY},
                     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    assert_signature(&(struct sigv4_request){"GET", "/", "max-keys=2&prefix=J", plain, COUNT(plain), EMPTY},
                     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void the_header_names_the_key_the_scope_and_what_is_signed(void **state)
{
    const struct sigv4_header plain[] = {
        {"host", HOST}, {"x-amz-content-sha256", EMPTY}, {"x-amz-date", TIME}};
    const char *text = sign(&(struct sigv4_request){"GET", "/", "lifecycle=", plain, COUNT(plain), EMPTY});
    static const char begin[] =
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=";

    (void)state;
    assert_memory_equal(text, begin, strlen(begin));
    assert_null(strstr(text, "wJalr"));
}

static void a_run_of_blanks_is_signed_as_one(void **state)
{
    const struct sigv4_header one[] = {{"host", HOST}, {"x-amz-meta-a", "b c"}};
    const struct sigv4_header many[] = {{"host", HOST}, {"x-amz-meta-a", "b   c"}};
    char *text = strdup(sign(&(struct sigv4_request){"PUT", "/k", "", one, COUNT(one), EMPTY}));

    (void)state;
    assert_string_equal(sign(&(struct sigv4_request){"PUT", "/k", "", many, COUNT(many), EMPTY}), text);
    free(text);
}

static void a_time_is_of_whole_seconds(void **state)
{
    char text[SIGV4_TIME_SIZE];

    (void)state;
    sigv4_time(INT64_C(1369353600999999), text);
    assert_string_equal(text, TIME);
}

static void what_does_not_fit_is_not_signed(void **state)
{
    const struct sigv4_request request = {"GET", "/", "", NULL, 0, EMPTY};
    struct sigv4_key long_key = key;
    char secret[2000];
    struct buf out;

    (void)state;
    buf_init(&out, 40);
    assert_int_equal(sigv4_sign(&key, &request, TIME, &out), -1);
    buf_release(&out);
    buf_init(&out, 4000);
    memset(secret, 'x', sizeof secret - 1);
    secret[sizeof secret - 1] = '\0';
    long_key.secret_key = secret;
    assert_int_equal(sigv4_sign(&long_key, &request, TIME, &out), -1);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_examples_come_out),
        cmocka_unit_test(the_header_names_the_key_the_scope_and_what_is_signed),
        cmocka_unit_test(a_run_of_blanks_is_signed_as_one),
        cmocka_unit_test(a_time_is_of_whole_seconds),
        cmocka_unit_test(what_does_not_fit_is_not_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
