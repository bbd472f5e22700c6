/*
 * digest - the one place that asks OpenSSL for a digest
 */
#include "digest.h"
#include <pthread.h>
#include <stdlib.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "text.h"

/* EVP_sha256() is looked up again for each digest, which takes longer than the digest of an id. Whatever
 * fails in here does so only where OpenSSL has no SHA-256 or no memory: neither is anything a caller could
 * mend. */
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;

static void fetch_sha256(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!sha256)
        abort();
}

void digest_sha256_bytes(const void *data, size_t size, unsigned char digest[DIGEST_SIZE])
{
    unsigned int digest_size = 0;

    pthread_once(&sha256_once, fetch_sha256);
    if (EVP_Digest(data, size, digest, &digest_size, sha256, NULL) != 1 || digest_size != DIGEST_SIZE)
        abort();
}

void digest_sha256(const void *data, size_t size, char hex[DIGEST_TEXT_SIZE])
{
    unsigned char digest[DIGEST_SIZE];

    digest_sha256_bytes(data, size, digest);
    text_hex(digest, sizeof digest, hex);
}

void digest_hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                        unsigned char digest[DIGEST_SIZE])
{
    unsigned int digest_size = 0;

    if (!HMAC(EVP_sha256(), key, (int)key_size, data, size, digest, &digest_size) ||
        digest_size != DIGEST_SIZE)
        abort();
}

void digest_sha1(const struct digest_part *parts, size_t count, unsigned char digest[DIGEST_SHA1_SIZE])
{
    EVP_MD_CTX *state = EVP_MD_CTX_new();
    unsigned int digest_size = 0;

    if (!state || EVP_DigestInit_ex(state, EVP_sha1(), NULL) != 1)
        abort();
    for (size_t i = 0; i < count; i++)
        if (EVP_DigestUpdate(state, parts[i].data, parts[i].size) != 1)
            abort();
    if (EVP_DigestFinal_ex(state, digest, &digest_size) != 1 || digest_size != DIGEST_SHA1_SIZE)
        abort();
    EVP_MD_CTX_free(state);
}
