/*
 * digest - the one place that asks OpenSSL for a digest
 */
#include "digest.h"
#include <stdlib.h>
#include <openssl/evp.h>
#include "text.h"

void digest_sha256(const void *data, size_t size, char hex[DIGEST_TEXT_SIZE])
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned int md_size = 0;

    /* Fails only where OpenSSL has no SHA-256 or no memory: neither is anything a caller could mend. */
    if (EVP_Digest(data, size, md, &md_size, EVP_sha256(), NULL) != 1 || md_size * 2 + 1 != DIGEST_TEXT_SIZE)
        abort();
    text_hex(md, md_size, hex);
}
