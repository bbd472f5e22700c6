/*
 * destination - a named endpoint: what the form of dist-destinations(5) says, as form.h reads it
 */
#ifndef DIST_DESTINATION_H
#define DIST_DESTINATION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fault.h"
#include "rendering.h"
#include "retry.h"

enum protocol {
    PROTOCOL_REST,
    PROTOCOL_FILE,
    PROTOCOL_EXEC,
    PROTOCOL_NULL,
    PROTOCOL_AMQP,
    PROTOCOL_JDBC,
    PROTOCOL_S3,
    PROTOCOL_HDFS,
    PROTOCOL_SOAP,
    PROTOCOL_SMTP,
    PROTOCOL_SFTP,
    PROTOCOL_COUNT
};
extern const char *const protocol_names[PROTOCOL_COUNT + 1]; /* "REST", "file", ...: read in any case */

struct destination_amqp {
    const char *host, *vhost;
    int64_t port;
    bool encrypted;       /* amqps */
    const char *username; /* NULL, or "{username}": that of the credentials */
    int64_t heartbeat_ms, connect_timeout_ms;
    const char *exchange, *routing_key; /* the key with placeholders */
    int64_t delivery_mode;              /* 1: kept in memory, 2: persistent */
    bool mandatory;                     /* what reaches no queue is rejected */
    const char *content_type;           /* NULL: that of the body */
    json_t *headers;                    /* object of strings with placeholders, or NULL */
};

/* What a header of WS-Security shows. */
enum soap_password { SOAP_PASSWORD_NONE, SOAP_PASSWORD_TEXT, SOAP_PASSWORD_DIGEST };

struct destination_soap {
    bool is_12;                  /* the version is 1.2, else 1.1 */
    const char *action;          /* a URI with placeholders; NULL: that of the format, or none */
    bool addressing;             /* WS-Addressing: To, Action and MessageID are sent */
    enum soap_password password; /* NONE: no header of security */
    bool timestamp;
    int64_t lifetime_ms; /* of the timestamp; 1 s to 1 h */
};

enum mail_security { MAIL_STARTTLS, MAIL_TLS, MAIL_PLAIN };

struct destination_smtp {
    const char *host;
    int64_t port;
    enum mail_security security;
    const char *username; /* NULL: that of the credentials */
    bool bearer;          /* the token of the credentials logs in, not the password */
    const char *ehlo;     /* who we say we are; NULL: this host */
    /* With placeholders, which are checked again when they are filled in. */
    const char *from, *reply_to, *subject; /* reply_to: or NULL */
    json_t *to, *cc;                       /* arrays of texts; cc: or NULL */
    bool attached;                         /* the report is an attachment, not the body */
    const char *filename, *text;           /* of an attachment; NULL: one that is made up, and none */
};

struct destination_sftp {
    const char *host;
    int64_t port;
    const char *username;    /* NULL: that of the credentials */
    json_t *host_key;        /* "SHA256:..." as ssh-keygen(1) writes it, or an array of such; or NULL */
    const char *known_hosts; /* the path of a file as of ssh(1), or NULL; one of the two is there */
    bool make_folders;
    const char *mode; /* octal digits; NULL: as the server makes files */
};

/* How a request says who sends it. */
enum auth_scheme {
    AUTH_PLAIN, /* Basic where the credentials have a user name and a password; else by the headers alone */
    AUTH_BASIC,
    AUTH_BEARER,  /* the token of the credentials */
    AUTH_API_KEY, /* in a header of its own */
    AUTH_OAUTH2,  /* RFC 6749 4.4, client credentials */
    AUTH_NONE,    /* not by HTTP: SOAP's security says it */
    AUTH_SCHEME_COUNT
};

/* file: what is on the disk before a report counts as delivered. */
enum file_sync { SYNC_FULL, SYNC_FILE, SYNC_NONE }; /* the file and its name; the file; nothing */

/* A user or a group; a name is looked up when the configuration is read. */
struct file_owner {
    const char *name; /* or an id in digits; NULL: nobody is named */
    bool known;
    unsigned id;
};

/* exec: 0: as for the program that starts it */
struct exec_limits {
    int64_t cpu_s;      /* seconds of processor time */
    int64_t memory;     /* bytes of address space */
    int64_t file_size;  /* bytes of a file that it writes */
    int64_t open_files; /* default 1024 */
    int64_t processes;  /* of its user, altogether */
};

struct destination {
    char *name;
    char *origin; /* where it was defined: "destinations.d/ops.json", "request" */
    json_t *form; /* as it was read; the strings below borrow from it */
    enum protocol protocol;
    struct rendering *rendering; /* what bodies become for it */
    const char *credentials;     /* reference, or NULL */
    char *tenant;       /* of a destination that a request brought along: whose credentials it may name */
    json_t *tenants;    /* names of the tenants that may use it; NULL: all */
    bool allow_private; /* private, loopback and link-local addresses may be connected to */
    bool disabled;
    int64_t timeout_ms;   /* of one attempt, look-up to last byte; default 30 s, 100 ms to 1 h */
    int64_t concurrency;  /* the most attempts in flight at once per worker; default 20, 1 to 1000 */
    double rate_per_s;    /* attempts that may begin, of all workers; 0: no limit. See destination_burst() */
    json_t *retry_policy; /* its own, for retry_policy_refine(), or NULL */

    /* TLS, of protocols with a connection: absolute paths of PEM files; NULL: none, the system's authorities
     */
    const char *ca_file;   /* who may have signed the peer's certificate */
    const char *cert_file; /* the certificate to show, with its chain */
    const char *key_file;  /* its key, without a passphrase; NULL: in cert_file */
    const char *tls_name;  /* what the peer's certificate must carry; NULL: the name that is connected to */

    const char *endpoint;     /* REST, SOAP: http or https URL with placeholders */
    const char *method;       /* REST: default POST; GET HEAD POST PUT PATCH DELETE OPTIONS */
    json_t *headers;          /* REST, SOAP: object of strings with placeholders, or NULL */
    const char *http_version; /* REST, SOAP: "1.1", "2" (over TLS by ALPN; "2-prior-knowledge" without),
                                 default "2" over https */

    enum auth_scheme auth;        /* REST, SOAP; with what belongs to it */
    const char *auth_header;      /* AUTH_API_KEY: the field that carries it */
    const char *token_url;        /* AUTH_OAUTH2: where tokens are asked for */
    const char *scope, *audience; /* AUTH_OAUTH2: of the tokens, or NULL */
    bool client_in_body;          /* AUTH_OAUTH2: the client's id and secret go into the body, not a header */
    const char *signing;          /* REST: the name of the keys that sign (signing.h), or NULL */
    const char *proxy; /* REST, SOAP, S3, HDFS: the URL of a proxy, "direct", or NULL: the setting */
    bool gone_rejects; /* REST, SOAP: 410 rejects the report and does not disable the destination */

    const char *region, *bucket; /* S3; its endpoint is without placeholders, NULL: that of AWS */
    const char *key;             /* S3: of the object, with placeholders */
    bool virtual_host;           /* S3: the bucket is part of the host's name */
    bool checksum;               /* S3: the store is told the SHA-256 of what it keeps; default true */
    const char *encryption;      /* S3: "AES256", "aws:kms", "aws:kms:dsse"; NULL: the bucket's own */
    const char *kms_key_id;      /* S3, or NULL */
    int64_t part_size; /* S3: bytes; a larger body is sent in parts. 5 MiB to 512 MiB, default 16 MiB */

    const char *user;       /* HDFS: who writes, where there is no token; or NULL */
    const char *permission; /* HDFS: octal digits, NULL: the file system's default */
    json_t *datanodes; /* HDFS: names of hosts that may get the bytes; NULL: any that the guard lets pass */

    const char *path; /* file: absolute, with placeholders; HDFS, SFTP: likewise, in the file system there */
    int64_t mode;     /* file: permission bits, default 0640 */
    enum file_sync sync;
    struct file_owner owner, group; /* file: NULL names: whoever writes */
    bool make_folders;              /* file: those that are not there */
    int64_t folder_mode;            /* file: of those, default 0750 */

    struct destination_amqp amqp;
    struct destination_soap soap;
    struct jdbc *jdbc; /* JDBC: jdbc.h; owned */
    struct destination_smtp smtp;
    struct destination_sftp sftp;

    json_t *command;    /* exec: array of strings, the first an absolute path; placeholders in the others */
    const char *folder; /* exec: where it runs, absolute; default "/" */
    json_t
        *environment; /* exec: object of strings with placeholders, beside what all commands get; or NULL */
    int64_t umask;    /* exec: default 0077 */
    struct exec_limits limits;

    unsigned references; /* see destination_ref() */
};

struct destination *destination_ref(struct destination *destination);
void destination_unref(struct destination *destination);
/* Whether distributions of this tenant may go there. */
bool destination_allows(const struct destination *destination, const char *tenant);
/* The name of its own header, as it wrote it, that is `name` in any case; or NULL. */
const char *destination_header(const struct destination *destination, const char *name);
/* Attempts that may begin at once after a pause: what a second allows, and at least 1. 0: no limit. */
double destination_burst(const struct destination *destination);

#endif
