/*
 * Signatures of webhooks: the known vectors, several keys, keys whose time is over, files with mistakes, and
 * new keys, which sign what OpenSSL verifies.
 */
#include "signing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include "clock.h"
#include "text.h"

#define SHARED "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define PRIVATE                                                                                              \
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
#define PUBLIC "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
#define ID_A "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define BODY_A "{\"test\": 2432232314}"
#define SIGNED_A "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define SIGNED_B                                                                                             \
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
enum { TIME_A = 1614265330 };

static struct signing_keys keys;
static struct fault fault;

static void parse(const char *text)
{
    if (signing_keys_parse(text, &keys, &fault))
        fail_msg("%s", fault.text);
}

static void assert_signed(const char *id, int64_t time_s, const char *body, const char *wanted)
{
    struct buf out;

    buf_init(&out, SIGNING_MAX);
    if (signing_sign(&keys, clock_wall_us(), id, time_s, body, strlen(body), &out, &fault))
        fail_msg("%s", fault.text);
    assert_string_equal(out.data, wanted);
    buf_release(&out);
}

static void known_vectors_are_met(void **state)
{
    (void)state;
    parse(SHARED);
    assert_signed(ID_A, TIME_A, BODY_A, SIGNED_A);
    assert_signed("msg_2KWPBgLlAfxdpx2AI54pPJ85f4W", 1674087231,
                  "{\"type\":\"contact.created\",\"timestamp\":\"2022-11-03T20:26:10.344522Z\",\"data\":"
                  "{\"id\":\"1f81eb52-5198-4599-803e-771906343485\"}}",
                  "v1,ARw42xaAApl/nxRo+iPGYwSaMQaOwMo2eyH5JBRA+bQ=");
    parse(PRIVATE "\n");
    assert_signed(ID_A, TIME_A, BODY_A, SIGNED_B);
}

static void every_valid_key_signs_in_the_order_of_the_file(void **state)
{
    (void)state;
    parse("# newest first\n" PRIVATE "\n\n" SHARED " 2999-01-01T00:00:00Z\r\n");
    assert_int_equal(keys.count, 2);
    assert_signed(ID_A, TIME_A, BODY_A, SIGNED_B " " SIGNED_A);
}

static void a_key_whose_time_is_over_does_not_sign(void **state)
{
    struct buf out;

    (void)state;
    parse(PRIVATE " 2020-01-01T00:00:00Z\n" SHARED "\n");
    assert_signed(ID_A, TIME_A, BODY_A, SIGNED_A);
    parse(SHARED "\t2020-01-01T00:00:00Z");
    buf_init(&out, SIGNING_MAX);
    assert_int_equal(signing_sign(&keys, clock_wall_us(), ID_A, TIME_A, "", 0, &out, &fault), -1);
    assert_int_equal(fault.class, FAULT_DENIED);
    assert_string_equal(fault.text, "the time of every key is over");
    assert_int_equal(signing_sign(&keys, INT64_C(1000000), ID_A, TIME_A, "", 0, &out, &fault), 0);
    buf_release(&out);
}

static void an_id_that_could_be_cut_elsewhere_is_refused(void **state)
{
    struct buf out;

    (void)state;
    parse(SHARED);
    buf_init(&out, SIGNING_MAX);
    assert_int_equal(signing_sign(&keys, 1, "msg.1", TIME_A, "", 0, &out, &fault), -1);
    assert_int_equal(signing_sign(&keys, 1, "", TIME_A, "", 0, &out, &fault), -1);
    assert_int_equal(out.len, 0);
    buf_release(&out);
}

static void the_body_is_bytes(void **state)
{
    struct buf one, other;

    (void)state;
    parse(SHARED);
    buf_init(&one, SIGNING_MAX);
    buf_init(&other, SIGNING_MAX);
    assert_int_equal(signing_sign(&keys, 1, "m", 1, "a\0b", 3, &one, &fault), 0);
    assert_int_equal(signing_sign(&keys, 1, "m", 1, "a\0c", 3, &other, &fault), 0);
    assert_string_not_equal(one.data, other.data);
    buf_release(&one);
    buf_release(&other);
}

static void files_with_mistakes_are_refused_without_their_keys(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "there is no key in it"},
        {"\n# nothing\n", "there is no key in it"},
        {"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "line 1: a key that begins with whsec_ or whsk_ is wanted"},
        {PUBLIC, "line 1: a key that begins with whsec_ or whsk_ is wanted"},
        {"whsec_", "line 1: the key has not 24 to 64 bytes"},
        {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "line 1: the key is not base64 of at most 64 bytes"},
        {"whsec_aGVsbG8=", "line 1: the key has not 24 to 64 bytes"},
        {"whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
         "line 1: the key has not 64 bytes: a seed and its public key"},
        {"whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvw==",
         "line 1: the public key is not that of the seed"},
        {SHARED "\n" SHARED " tomorrow\n",
         "line 2: behind the key a time is wanted, as 2026-12-01T00:00:00Z"},
        {SHARED "\n" SHARED "\n" SHARED "\n" SHARED "\n" SHARED "\n" SHARED "\n" SHARED "\n" SHARED
                "\n" SHARED "\n" SHARED "\n" SHARED,
         "line 11: there are more than 10 keys"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(signing_keys_parse(cases[i].text, &keys, &fault), -1);
        assert_string_equal(fault.text, cases[i].why);
        assert_int_equal(fault.class, FAULT_CONFIG);
        assert_int_equal(keys.count, 0);
    }
}

static void a_new_shared_key_is_read_and_each_is_another(void **state)
{
    char one[SIGNING_TEXT_SIZE], other[SIGNING_TEXT_SIZE];

    (void)state;
    signing_key_new(SIGNING_HMAC, one);
    signing_key_new(SIGNING_HMAC, other);
    assert_string_not_equal(one, other);
    parse(one);
    assert_int_equal(keys.items[0].scheme, SIGNING_HMAC);
    assert_int_equal(keys.items[0].size, 24);
}

static void a_new_pair_signs_what_its_public_key_verifies(void **state)
{
    char text[SIGNING_TEXT_SIZE], shown[SIGNING_TEXT_SIZE];
    struct buf public, out, signature;

    (void)state;
    signing_key_new(SIGNING_ED25519, text);
    parse(text);
    signing_key_public(&keys.items[0], shown);
    assert_true(text_starts_with(shown, "whpk_"));
    buf_init(&public, 100);
    buf_init(&out, SIGNING_MAX);
    buf_init(&signature, 100);
    assert_int_equal(text_decode_base64(shown + 5, strlen(shown) - 5, &public), 0);
    assert_int_equal(public.len, 32);
    assert_int_equal(signing_sign(&keys, 1, "m", 7, "body", 4, &out, &fault), 0);
    assert_true(text_starts_with(out.data, "v1a,"));
    assert_int_equal(text_decode_base64(out.data + 4, out.len - 4, &signature), 0);
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (unsigned char *)public.data, 32);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(context, NULL, NULL, NULL, key), 1);
    assert_int_equal(EVP_DigestVerify(context, (unsigned char *)signature.data, signature.len,
                                      (const unsigned char *)"m.7.body", 8),
                     1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    buf_release(&public);
    buf_release(&out);
    buf_release(&signature);
}

static void the_public_key_of_the_vector_is_shown(void **state)
{
    char shown[SIGNING_TEXT_SIZE];

    (void)state;
    parse(PRIVATE);
    signing_key_public(&keys.items[0], shown);
    assert_string_equal(shown, PUBLIC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_vectors_are_met),
        cmocka_unit_test(every_valid_key_signs_in_the_order_of_the_file),
        cmocka_unit_test(a_key_whose_time_is_over_does_not_sign),
        cmocka_unit_test(an_id_that_could_be_cut_elsewhere_is_refused),
        cmocka_unit_test(the_body_is_bytes),
        cmocka_unit_test(files_with_mistakes_are_refused_without_their_keys),
        cmocka_unit_test(a_new_shared_key_is_read_and_each_is_another),
        cmocka_unit_test(a_new_pair_signs_what_its_public_key_verifies),
        cmocka_unit_test(the_public_key_of_the_vector_is_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
