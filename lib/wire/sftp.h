/*
 * sftp - one connection to a host that takes files by SFTP (libcurl, with libssh2)
 *
 * The key of the host is always looked at, before anything is said about who we are: it must be in the file
 * of known hosts, or have one of the fingerprints. The login is by a private key or by a password (also where
 * the server asks for it by keyboard-interactive); no agent and no key of the home folder is used.
 *
 * Blocks until the deadline (monotonic clock) of each call. A connection that ended is opened again by any of
 * them.
 */
#ifndef DIST_SFTP_H
#define DIST_SFTP_H

#include <stddef.h>
#include <stdint.h>
#include "fault.h"
#include "transfer.h"

/* `peer` is borrowed until sftp_free(), all else until sftp_new() returns; NULL: not so. */
struct sftp_peer {
    struct transfer_peer peer;
    const char *known_hosts;      /* path of a file */
    const char *const *host_keys; /* "SHA256:..." as ssh-keygen(1) writes them, ended by NULL */
    const char *username;
    const char *password;    /* of a private key: its passphrase */
    const char *private_key; /* PEM, or as OpenSSH keeps it: ED25519 or ECDSA, or RSA for servers that take
                                SHA-1 */
};

/* Status codes of SFTP (draft-ietf-secsh-filexfer section 7), which are the codes of answers. */
enum sftp_status {
    SFTP_NO_SUCH_FILE = 2,
    SFTP_FAILURE = 4, /* version 3 says so of all that has no code of its own: also of a file that exists */
    SFTP_NO_SUCH_PATH = 10,
    SFTP_FILE_EXISTS = 11,
};

struct sftp_answer {
    enum transfer_result result;
    int code;     /* where ANSWERED: a status, 0 where it is not known */
    bool unclear; /* where BROKEN: libcurl does not tell whether the server refused or was gone */
    char text[TRANSFER_TEXT_SIZE];
};

struct sftp;
/* Does not connect yet. SYSTEM: no memory or descriptor; CONFIG: libcurl cannot do what is asked for. */
struct sftp *sftp_new(const struct sftp_peer *peer, struct fault *fault);
void sftp_free(struct sftp *sftp); /* NULL is fine */

/* Connects and logs in; nothing is looked at there. */
void sftp_open(struct sftp *sftp, int64_t deadline_ms, struct sftp_answer *answer);

struct sftp_file {
    const char *path; /* absolute, without control characters, as all paths here */
    const void *data;
    size_t size;
    bool make_folders; /* those that are not there */
};
/* Over what is there. */
void sftp_write(struct sftp *sftp, const struct sftp_file *file, int64_t deadline_ms,
                struct sftp_answer *answer);
/* Never over another file, where the server keeps to version 3 of the protocol. `mode` ("0640", or NULL) is
 * given to it before. */
void sftp_rename(struct sftp *sftp, const char *from, const char *to, const char *mode, int64_t deadline_ms,
                 struct sftp_answer *answer);
/* DONE: *same says whether the file has these bytes and no others. Read no further than the first that
 * differs. */
void sftp_compare(struct sftp *sftp, const char *path, const void *data, size_t size, int64_t deadline_ms,
                  bool *same, struct sftp_answer *answer);
/* Of these, ended by NULL, what there is. */
void sftp_remove(struct sftp *sftp, const char *const *paths, int64_t deadline_ms,
                 struct sftp_answer *answer);

#endif
