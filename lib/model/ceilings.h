/*
 * ceilings - the ceilings of everything that somebody else controls; listed in dist-internals(7)
 */
#ifndef DIST_CEILINGS_H
#define DIST_CEILINGS_H

enum {
    LIMIT_PAYLOAD_DEFAULT = 16 * 1024 * 1024, /* bytes of one body; DIST_MAX_PAYLOAD changes it */
    LIMIT_PAYLOAD_CEILING =
        512 * 1024 * 1024, /* the most that DIST_MAX_PAYLOAD may say: PostgreSQL's bytea in text */
    LIMIT_ENVELOPE_EXTRA = 1024 * 1024, /* of an envelope beside its body */
    LIMIT_JSON_DEPTH = 100,             /* nested arrays and objects */
    LIMIT_JSON_VALUES = 2000000,        /* of one text, where a tree is made of it: some hundred bytes each */
    LIMIT_TARGETS = 1000,               /* destinations of one distribution */
    LIMIT_CANDIDATES = 32,              /* members of one group */
    LIMIT_METADATA = 64 * 1024,         /* bytes of a distribution's metadata as JSON text */
    LIMIT_PAYLOAD_JSONB = 256 * 1024,   /* a larger JSON body is described in payload, not copied into it */
    LIMIT_RESPONSE = 20000,             /* bytes of a response that are kept */
    LIMIT_RESPONSE_READ = 1024 * 1024,  /* bytes of a response that are read before we stop listening */
    LIMIT_URL = 8192,
    LIMIT_HEADERS = 100,        /* header fields of one request */
    LIMIT_PROGRAM_FILES = 1000, /* in transforms.d */
    LIMIT_CONFIG_FILE = 4 * 1024 * 1024,
    LIMIT_SECRET = 64 * 1024,
    LIMIT_IDEMPOTENCY_KEY = 255,
};

/* The longest line of an envelope whose body has at most `payload` bytes (base64 is the longer form). */
#define LIMIT_ENVELOPE(payload) ((payload) / 3 * 4 + 4 + LIMIT_ENVELOPE_EXTRA)

/* The same of a delivery, whose outputs have at most `output` bytes together. */
#define LIMIT_DELIVERY(payload, output) (LIMIT_ENVELOPE(payload) + LIMIT_ENVELOPE(output))

#endif
