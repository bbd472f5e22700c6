/*
 * secret - credentials by reference: read when they are needed, wiped when they are let go
 *
 * A reference is the name of a file. Without a tenant it is looked for in $CREDENTIALS_DIRECTORY (systemd),
 * then in <config_dir>/credentials.d. With a tenant, for a destination that a request brought along, only in
 * <config_dir>/credentials.d/<tenant>, so that no tenant can name another's or the operator's.
 *
 * No symbolic link is followed below those folders. The file must be a regular one, and outside
 * $CREDENTIALS_DIRECTORY, which systemd guards, neither its group nor others may have any right to it.
 *
 * The content, at most SECRET_MAX bytes without a NUL, is one secret (one newline at its end is cut off), or,
 * where its first character is '{', a JSON object whose members are those of secret_members[]: texts, at
 * least one, none empty, nothing else in it. A plain secret that begins with '{' is written as {"token":
 * "{..."}.
 *
 * Faults are of the class CONFIG, an operator's business, except that a passing shortage of this system (no
 * descriptor, no memory, an input/output error) is SYSTEM: the same call may succeed later.
 *
 * No text of a content is in any fault. Everything here is wiped before it is freed, with one exception: the
 * scratch buffer of the JSON parser. Reading blocks on files.
 */
#ifndef DIST_SECRET_H
#define DIST_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include "fault.h"

enum { SECRET_MAX = 64 * 1024 };

/* NULL where there is none; a plain content is token and password. */
struct secret {
    char *token, *username, *password;
    char *access_key, *secret_key, *session_token; /* S3 */
    char *client_id, *client_secret;               /* OAuth2 */
    char *private_key, *api_key;
};

/* Its members, by the names that they have in a file; ended by a NULL name. */
struct secret_member {
    const char *name;
    size_t offset;
    bool hidden; /* it must be shown nowhere; the others name somebody */
};
extern const struct secret_member secret_members[];
/* The text of a member, or NULL. */
const char *secret_text(const struct secret *secret, const struct secret_member *member);

/*
 * `reference`, and `tenant` where it is not NULL, must be names (text_is_name). *secret is empty after a
 * fault, as it is to be released or zeroed memory before the call.
 */
int secret_load(const char *config_dir, const char *tenant, const char *reference, struct secret *secret,
                struct fault *fault);
/* The same in <config_dir>/credentials.d alone: what is to be changed there, and no copy of it. */
int secret_load_stored(const char *config_dir, const char *tenant, const char *reference,
                       struct secret *secret, struct fault *fault);
/* Whether the content is one plain secret, and no object. */
bool secret_is_plain(const struct secret *secret);
void secret_copy(struct secret *to, const struct secret *from); /* NULL: an empty one */
void secret_release(struct secret *secret); /* wipes; NULL, zeroed and released memory are fine */

/*
 * The whole of a descriptor as a text, in one allocation so that no copy of it stays behind in freed memory:
 * to be given to secret_wipe(). More than max_bytes or a NUL in it: class CONFIG. *text is NULL after a
 * fault.
 */
int secret_read_fd(int fd, size_t max_bytes, char **text, struct fault *fault);
/* A file that holds one plain secret: the same, with one newline at its end cut off; an empty one is a fault.
 */
int secret_read_file(const char *path, char **text, struct fault *fault);
void secret_wipe(char *text); /* overwrites the text up to its NUL, and frees it; NULL is fine */

#endif
