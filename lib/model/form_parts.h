/*
 * form_parts - how the form of each protocol is read; inside of form.c and its form_*.c
 */
#ifndef DIST_FORM_PARTS_H
#define DIST_FORM_PARTS_H

#include "destination.h"
#include "form_help.h"
#include "form_text.h"
#include "json.h"

struct form_jdbc_members {
    const char *table, *body_column, *key_column, *row_column, *upsert, *isolation;
    json_t *columns, *values;
    int64_t batch_size;
};

/* A form while it is read: what struct destination does not keep is checked and stays in its `form`. */
struct form {
    struct destination *destination;
    const char *name, *rate;                 /* all */
    json_t *tls;                             /* protocols with a connection */
    json_t *auth;                            /* REST, SOAP */
    json_t *signing;                         /* REST */
    json_t *security;                        /* SOAP */
    const char *on_gone;                     /* REST, SOAP */
    const char *version;                     /* SOAP */
    const char *mode, *sync, *folder_mode;   /* file */
    const char *umask;                       /* exec */
    json_t *limits;                          /* exec */
    const char *style;                       /* S3 */
    json_t *connection;                      /* AMQP, JDBC */
    const char *encryption, *report, *login; /* SMTP */
    struct form_jdbc_members jdbc;
};

/* The most members of one protocol, and of all. */
enum { FORM_FIELDS = 20, FORM_FIELDS_ALL = 40 };

/* One protocol. */
struct form_kind {
    bool operator_only; /* names files or commands of the machine: refused in a request */
    /* Writes the protocol's own members, ended by a NULL name. */
    void (*fields)(struct form *form, struct json_field out[FORM_FIELDS]);
    /* After the members were read: what their types do not say. Sets defaults. NULL: nothing. */
    int (*check)(struct form *form, struct fault *fault);
    /* Each of its own members. */
    const struct form_help *help;
};
extern const struct form_kind form_rest, form_file, form_exec, form_null, form_amqp, form_jdbc, form_s3,
    form_hdfs, form_soap, form_smtp, form_sftp;

/* The members of every protocol, as fields() of a kind writes its own; their count. */
size_t form_common_fields(struct form *form, struct json_field *out);
/* Copies a table of fields with the NULL name at its end; their count. For fields(). */
size_t form_add_fields(struct json_field *out, const struct json_field *fields);
/*
 * The member "tls" (form_tls.c), for the check() of a protocol whose fields() has FORM_FIELD_TLS.
 * `encrypted`: the rest of the form asks for TLS; without it "tls" is a mistake. `named`: it takes
 * "server_name".
 */
#define FORM_FIELD_TLS(form)                                                                                 \
    {                                                                                                        \
        .name = "tls", .kind = JSON_KIND_OBJECT, .target = &(form)->tls                                      \
    }
int form_check_tls(const struct form *form, bool encrypted, bool named, struct fault *fault);
/*
 * connection.credentials: a user name, NULL in *username where there is none, and a placeholder for the
 * password. NULL is fine.
 */
int form_check_credentials(const json_t *credentials, const char **username, struct fault *fault);
/*
 * What is HTTP's of a form (form_http.c): endpoint, headers, http_version, auth, proxy, on_gone, tls and
 * allow_private; the check() of a protocol whose fields() adds them calls form_check_http() first.
 */
size_t form_add_http_fields(struct form *form, struct json_field *out);
int form_check_http(struct form *form, struct fault *fault);
/* The proxy is the operator's: what it connects to is out of the sight of the address guard. */
int form_check_proxy(const struct destination *destination, struct fault *fault);
/* The rows of those that are the same wherever they are. */
#define FORM_HELP_HTTP                                                                                       \
    {"http_version", NULL,                                                                                   \
     "\"1.1\", \"2\" or \"2-prior-knowledge\"; default: \"2\" for https, \"1.1\" for http"},                 \
        {"proxy", NULL, "\"http://host:port\", https or socks5h; \"direct\": none; default: DIST_PROXY"},    \
        {"on_gone", NULL,                                                                                    \
         "what the status 410 does: \"disable\" the destination or \"reject\" the report; default: "         \
         "disable, and reject where the endpoint has placeholders"},                                         \
        {"tls", NULL,                                                                                        \
         "an object with \"ca_file\", \"cert_file\", \"key_file\"; default: the system's authorities"},      \
    {                                                                                                        \
        "allow_private", NULL, "true: private addresses may be connected to; default: false"                 \
    }
/* The members "auth" and "signing" (form_auth.c); after the endpoint, method and headers. */
int form_check_auth(const struct form *form, struct fault *fault);
int form_check_signing(const struct form *form, struct fault *fault);
/*
 * A URL of one of the schemes (ended by NULL) with a literal host, without user, fragment, blanks and
 * characters that are not ASCII (form_url.c). `path` is the pointer of the member, for the fault.
 */
int form_check_url(const char *path, const char *url, const char *const *schemes, struct fault *fault);
/*
 * An http or https URL; in path and query with placeholders, but for secrets. Not http where there are
 * credentials, but on networks of the operator's own ("allow_private").
 */
int form_check_endpoint(const struct destination *destination, struct fault *fault);
/* What is put in front of paths: the same without placeholders, query and a '/' at its end. */
int form_check_base(const struct destination *destination, struct fault *fault);

#endif
