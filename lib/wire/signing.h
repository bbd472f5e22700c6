/*
 * signing - signatures of webhooks as Standard Webhooks 1.0.0 has them (OpenSSL)
 *
 * What is signed is "ID.TIMESTAMP.BODY": the message id, the time of the attempt in seconds, and the bytes of
 * the body as they are sent. A signature is "v1," with the HMAC-SHA256 of a shared key, or "v1a," with the
 * Ed25519 signature (RFC 8032) of a private one, in base64; those of several keys are separated by a blank.
 *
 * A file of keys has one to a line, the newest first, and behind it, after a blank, the time until which it
 * signs; without one it signs for ever. Empty lines and those that begin with '#' count for nothing.
 *
 *   whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw           base64 of 24 to 64 bytes
 *   whsk_6Xb/dCcH...Kvg== 2026-12-01T00:00:00Z       base64 of an Ed25519 seed and its public key, 64 bytes
 *
 * No byte of a key is in any fault, and what held one is wiped before it is freed. Only signing_keys_load()
 * blocks, on a file.
 */
#ifndef DIST_SIGNING_H
#define DIST_SIGNING_H

#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "fault.h"

enum {
    SIGNING_KEYS = 10,                     /* the most in one file */
    SIGNING_KEY_SIZE = 64,                 /* the most bytes of a key */
    SIGNING_TEXT_SIZE = 100,               /* a key as a text, with its NUL */
    SIGNING_MAX = SIGNING_KEYS * (93 + 1), /* bytes of all signatures */
};

enum signing_scheme { SIGNING_HMAC, SIGNING_ED25519, SIGNING_SCHEME_COUNT };
extern const char *const signing_scheme_names[SIGNING_SCHEME_COUNT + 1]; /* "hmac", "ed25519" */

struct signing_key {
    enum signing_scheme scheme;
    unsigned char bytes[SIGNING_KEY_SIZE];
    size_t size;
    int64_t until_us; /* 0: for ever */
};
struct signing_keys {
    struct signing_key items[SIGNING_KEYS];
    size_t count;
};

/* At least one. CONFIG with the number of the line; the keys are empty then. */
int signing_keys_parse(const char *text, struct signing_keys *keys, struct fault *fault);
/* The file that the reference names, found as secret_load() does it; its faults, or those of the parser. */
int signing_keys_load(const char *config_dir, const char *tenant, const char *reference,
                      struct signing_keys *keys, struct fault *fault);
void signing_keys_wipe(struct signing_keys *keys);
/* DENIED where the time of every key is over at now_us. */
int signing_keys_check(const struct signing_keys *keys, int64_t now_us, struct fault *fault);

/*
 * Appends the signatures by all keys that are valid at now_us. DENIED where none is any more, and CONFIG
 * where the id is empty or has a '.' in it, with which two messages could have one signature.
 */
int signing_sign(const struct signing_keys *keys, int64_t now_us, const char *id, int64_t timestamp_s,
                 const void *body, size_t body_size, struct buf *out, struct fault *fault);

/* A new key, of 24 random bytes or an Ed25519 pair. */
void signing_key_new(enum signing_scheme scheme, char text[SIGNING_TEXT_SIZE]);
/* "whpk_...", for those who verify; the key must be of SIGNING_ED25519. */
void signing_key_public(const struct signing_key *key, char text[SIGNING_TEXT_SIZE]);

#endif
