/*
 * digest - SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104) by OpenSSL
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

#endif
