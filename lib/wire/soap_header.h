/*
 * soap_header - blocks for the header of an envelope: who we are, and which message it is
 *
 *   <wsse:Security ... soap:mustUnderstand="1">         WS-Security 1.1.1, UsernameToken Profile 1.1.1
 * (OASIS) <wsu:Timestamp><wsu:Created/><wsu:Expires/></wsu:Timestamp>
 *     <wsse:UsernameToken><wsse:Username/><wsse:Password
 * Type="..."/><wsse:Nonce/><wsu:Created/></wsse:UsernameToken>
 *   </wsse:Security>
 *   <wsa:Action/><wsa:To/><wsa:MessageID/>              WS-Addressing 1.0 (W3C)
 *
 * In ASCII, whatever the values are, with all namespaces declared: they may go into an envelope of any
 * prefixes and any encoding. Pure.
 */
#ifndef DIST_SOAP_HEADER_H
#define DIST_SOAP_HEADER_H

#include <stdbool.h>
#include <stdint.h>
#include "buf.h"
#include "fault.h"
#include "soap_envelope.h"

enum {
    SOAP_NONCE_SIZE = 16,
    SOAP_PROOF_SIZE = 32, /* the Base64 of a SHA-1, and a NUL */
};

struct soap_token {
    const char *username, *password; /* UTF-8 */
    bool digest;                     /* else the password itself is sent */
    bool timestamp;                  /* of the message, with its end */
    int64_t created_us;              /* now */
    int64_t lifetime_ms;
    unsigned char nonce[SOAP_NONCE_SIZE]; /* of random bytes, never twice */
};

/*
 * Appends the block. `proof` is the digest, Base64(SHA-1(nonce + created + password)), which shows the
 * password to whoever guesses it; "" without one. CONFIG: user name or password has characters that XML does
 * not have.
 */
int soap_header_add_security(struct buf *out, const struct soap_token *token, enum soap_version version,
                             char proof[SOAP_PROOF_SIZE], struct fault *fault);

struct soap_address {
    const char *to, *action; /* URIs */
    const char *message_id;  /* a UUID: "urn:uuid:" is put in front */
};

/* CONFIG: as above. */
int soap_header_add_addressing(struct buf *out, const struct soap_address *address, enum soap_version version,
                               struct fault *fault);

#endif
