/*
 * admin_secret - keys that sign webhooks: made, changed and shown as far as they are public
 *
 * They are files of credentials.d (signing.h), with the mode 0600 and the owner of that folder. A key is
 * neither taken from a command line nor printed. Faults: INPUT for a name, USAGE for what is asked for.
 */
#ifndef DIST_ADMIN_SECRET_H
#define DIST_ADMIN_SECRET_H

#include <stdint.h>
#include "fault.h"
#include "tool.h"

struct admin_secret {
    const char *tenant; /* whose: credentials.d/TENANT; NULL: the operator's */
    const char *scheme; /* signing_scheme_names[]; NULL: "hmac", of a rotation that of the newest key */
    const char *keep;   /* a duration; NULL: 24h */
};

/* A file that is there is left as it is: INPUT. */
int admin_secret_new(const struct tool *tool, const struct admin_secret *secret, const char *name,
                     struct fault *fault);
/* A new key in front; those that sign for ever do so for `keep` only, those whose time is over go. */
int admin_secret_rotate(const struct tool *tool, const struct admin_secret *secret, const char *name,
                        struct fault *fault);
/* A line for each key of Ed25519: "whpk_... 2026-12-01T00:00:00Z". INPUT where there is none. */
int admin_secret_show_public(const struct tool *tool, const struct admin_secret *secret, const char *name,
                             struct fault *fault);

#endif
