/*
 * digest - SHA-256, SHA-1 (FIPS 180-4) and HMAC (RFC 2104) by OpenSSL
 */
#ifndef DIST_DIGEST_H
#define DIST_DIGEST_H

#include <stddef.h>

enum { DIGEST_SIZE = 32 };
enum { DIGEST_TEXT_SIZE = 65 }; /* 64 lower-case hexadecimal digits and a NUL */

/* `data` may be NULL where size is 0. An OpenSSL without SHA-256 ends the process (abort). */
void digest_sha256(const void *data, size_t size, char hex[DIGEST_TEXT_SIZE]);
void digest_sha256_bytes(const void *data, size_t size, unsigned char digest[DIGEST_SIZE]);
void digest_hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                        unsigned char digest[DIGEST_SIZE]);

/* Of the parts, one behind the other. For what a profile has SHA-1 in, and nothing else. */
enum { DIGEST_SHA1_SIZE = 20 };
struct digest_part {
    const void *data;
    size_t size;
};
void digest_sha1(const struct digest_part *parts, size_t count, unsigned char digest[DIGEST_SHA1_SIZE]);

#endif
