/*
 * signing - see signing.h
 *
 * The one hard rule: a file with a mistake in any line signs nothing, so that a rotation that went wrong is
 * seen before the old key has ended.
 */
#include "signing.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include "clock.h"
#include "digest.h"
#include "rng.h"
#include "secret.h"
#include "text.h"
#include "xalloc.h"

enum { HMAC_KEY_MIN = 24, HMAC_KEY_MAX = 64, HMAC_KEY_NEW = 24, SEED_SIZE = 32, PUBLIC_SIZE = 32 };

const char *const signing_scheme_names[] = {"hmac", "ed25519", NULL};

/* How a key and a signature of each scheme begin. */
static const struct {
    const char *secret, *token;
} prefixes[] = {[SIGNING_HMAC] = {"whsec_", "v1,"}, [SIGNING_ED25519] = {"whsk_", "v1a,"}};

/* OpenSSL fails here where it lacks the algorithm or memory: neither is anything a caller could mend. */
static void must(bool good)
{
    if (!good)
        abort();
}

static EVP_PKEY *pair_of(const unsigned char seed[SEED_SIZE])
{
    EVP_PKEY *pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, SEED_SIZE);

    must(pair != NULL);
    return pair;
}

static void public_of(const unsigned char seed[SEED_SIZE], unsigned char out[PUBLIC_SIZE])
{
    EVP_PKEY *pair = pair_of(seed);
    size_t size = PUBLIC_SIZE;

    must(EVP_PKEY_get_raw_public_key(pair, out, &size) == 1 && size == PUBLIC_SIZE);
    EVP_PKEY_free(pair);
}

/* Reading */

/* What is wrong with the bytes of a key, or NULL. */
static const char *key_mistake(const struct signing_key *key)
{
    unsigned char public[PUBLIC_SIZE];

    if (key->scheme == SIGNING_HMAC)
        return key->size < HMAC_KEY_MIN || key->size > HMAC_KEY_MAX ? "the key has not 24 to 64 bytes" : NULL;
    if (key->size != SEED_SIZE + PUBLIC_SIZE)
        return "the key has not 64 bytes: a seed and its public key";
    public_of(key->bytes, public);
    return memcmp(public, key->bytes + SEED_SIZE, PUBLIC_SIZE) ? "the public key is not that of the seed"
                                                               : NULL;
}

/* NULL where it is a key. */
static const char *read_key(const char *text, size_t size, struct signing_key *key)
{
    struct buf bytes;
    size_t scheme = 0;

    while (scheme < SIGNING_SCHEME_COUNT && !text_starts_with(text, prefixes[scheme].secret))
        scheme++;
    if (scheme == SIGNING_SCHEME_COUNT)
        return "a key that begins with whsec_ or whsk_ is wanted";
    size_t prefix = strlen(prefixes[scheme].secret);
    buf_init(&bytes, SIGNING_KEY_SIZE);
    if (size < prefix || text_decode_base64(text + prefix, size - prefix, &bytes) < 0) {
        if (bytes.cap)
            explicit_bzero(bytes.data, bytes.cap);
        buf_release(&bytes);
        return "the key is not base64 of at most 64 bytes";
    }
    key->scheme = (enum signing_scheme)scheme;
    key->size = bytes.len;
    memcpy(key->bytes, bytes.data, bytes.len);
    if (bytes.cap)
        explicit_bzero(bytes.data, bytes.cap);
    buf_release(&bytes);
    return key_mistake(key);
}

/* "whsec_... 2026-12-01T00:00:00Z" */
static const char *read_line(const char *line, size_t size, struct signing_key *key)
{
    size_t end = strcspn(line, " \t\n");
    char time[40];

    if (end > size)
        end = size;
    const char *mistake = read_key(line, end, key);
    if (mistake || end == size)
        return mistake;
    snprintf(time, sizeof time, "%.*s", (int)(size - end), line + end);
    return clock_parse(text_trim(time), &key->until_us, NULL) < 0 ? "behind the key a time is wanted, as "
                                                                    "2026-12-01T00:00:00Z"
                                                                  : NULL;
}

int signing_keys_parse(const char *text, struct signing_keys *keys, struct fault *fault)
{
    const char *mistake = NULL;
    int number = 0;

    *keys = (struct signing_keys){0};
    for (const char *line = text; *line && !mistake;) {
        size_t size = strcspn(line, "\n"), full = size;

        number++;
        while (size && strchr(" \t\r", line[size - 1]))
            size--;
        if (size && *line != '#')
            mistake = keys->count == SIGNING_KEYS ? "there are more than 10 keys"
                                                  : read_line(line, size, &keys->items[keys->count++]);
        line += full + (line[full] == '\n');
    }
    if (!mistake && keys->count)
        return 0;
    signing_keys_wipe(keys);
    return mistake ? fault_set(fault, FAULT_CONFIG, "line %d: %s", number, mistake)
                   : fault_set(fault, FAULT_CONFIG, "there is no key in it");
}

int signing_keys_load(const char *config_dir, const char *tenant, const char *reference,
                      struct signing_keys *keys, struct fault *fault)
{
    struct secret secret = {0};
    int result;

    *keys = (struct signing_keys){0};
    if (secret_load(config_dir, tenant, reference, &secret, fault) < 0)
        return -1;
    if (secret.token)
        result = signing_keys_parse(secret.token, keys, fault);
    else
        result = fault_set(fault, FAULT_CONFIG, "there is no key in it");
    secret_release(&secret);
    return result < 0 ? fault_wrap(fault, "credential '%s'", reference) : 0;
}

void signing_keys_wipe(struct signing_keys *keys)
{
    explicit_bzero(keys, sizeof *keys);
}

static bool is_over(const struct signing_key *key, int64_t now_us)
{
    return key->until_us && key->until_us <= now_us;
}

int signing_keys_check(const struct signing_keys *keys, int64_t now_us, struct fault *fault)
{
    for (size_t i = 0; i < keys->count; i++)
        if (!is_over(&keys->items[i], now_us))
            return 0;
    return fault_set(fault, FAULT_DENIED, "the time of every key is over");
}

/* Signing */

static size_t sign_hmac(const struct signing_key *key, const struct buf *content, unsigned char *out)
{
    digest_hmac_sha256(key->bytes, key->size, content->data, content->len, out);
    return DIGEST_SIZE;
}

static size_t sign_ed25519(const struct signing_key *key, const struct buf *content, unsigned char *out)
{
    EVP_PKEY *pair = pair_of(key->bytes);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = EVP_MAX_MD_SIZE;

    must(context && EVP_DigestSignInit(context, NULL, NULL, NULL, pair) == 1 &&
         EVP_DigestSign(context, out, &size, (const unsigned char *)content->data, content->len) == 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pair);
    return size;
}

static void add_signature(const struct signing_key *key, const struct buf *content, struct buf *out)
{
    static size_t (*const sign[])(const struct signing_key *, const struct buf *, unsigned char *) = {
        [SIGNING_HMAC] = sign_hmac, [SIGNING_ED25519] = sign_ed25519};
    unsigned char signature[EVP_MAX_MD_SIZE];
    size_t size = sign[key->scheme](key, content, signature);

    buf_adds(out, prefixes[key->scheme].token);
    text_add_base64(out, signature, size);
}

int signing_sign(const struct signing_keys *keys, int64_t now_us, const char *id, int64_t timestamp_s,
                 const void *body, size_t body_size, struct buf *out, struct fault *fault)
{
    struct buf content;
    size_t count = 0;

    if (!*id || strchr(id, '.'))
        return fault_set(fault, FAULT_CONFIG, "a message id that is empty or has a '.' cannot be signed");
    if (signing_keys_check(keys, now_us, fault) < 0)
        return -1;
    buf_init(&content, strlen(id) + body_size + 30);
    buf_addf(&content, "%s.%lld.", id, (long long)timestamp_s);
    if (body_size)
        buf_add(&content, body, body_size);
    for (size_t i = 0; i < keys->count; i++) {
        if (is_over(&keys->items[i], now_us))
            continue;
        if (count++)
            buf_addc(out, ' ');
        add_signature(&keys->items[i], &content, out);
    }
    buf_release(&content);
    return 0;
}

/* New keys */

static void write_key(const char *prefix, const void *bytes, size_t size, char text[SIGNING_TEXT_SIZE])
{
    struct buf encoded;

    buf_init(&encoded, SIGNING_TEXT_SIZE);
    text_add_base64(&encoded, bytes, size);
    snprintf(text, SIGNING_TEXT_SIZE, "%s%s", prefix, encoded.data);
    explicit_bzero(encoded.data, encoded.cap);
    buf_release(&encoded);
}

void signing_key_new(enum signing_scheme scheme, char text[SIGNING_TEXT_SIZE])
{
    unsigned char bytes[SIGNING_KEY_SIZE];
    size_t size = scheme == SIGNING_HMAC ? HMAC_KEY_NEW : SEED_SIZE + PUBLIC_SIZE;

    rng_bytes(bytes, scheme == SIGNING_HMAC ? HMAC_KEY_NEW : SEED_SIZE);
    if (scheme == SIGNING_ED25519)
        public_of(bytes, bytes + SEED_SIZE);
    write_key(prefixes[scheme].secret, bytes, size, text);
    explicit_bzero(bytes, sizeof bytes);
}

void signing_key_public(const struct signing_key *key, char text[SIGNING_TEXT_SIZE])
{
    write_key("whpk_", key->bytes + SEED_SIZE, PUBLIC_SIZE, text);
}
