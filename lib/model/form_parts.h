/*
 * form_parts - how the form of each protocol is read; inside of form.c and its form_*.c
 */
#ifndef DIST_FORM_PARTS_H
#define DIST_FORM_PARTS_H

#include "destination.h"
#include "json.h"

/* A form while it is read: what struct destination does not keep is checked and stays in its `form`. */
struct form {
    struct destination *destination;
    const char *name, *rate;             /* all */
    const char *mode;                    /* file */
    json_t *connection;                  /* AMQP, JDBC */
    const char *exchange, *routing_key;  /* AMQP */
    const char *table, *isolation_level; /* JDBC */
    int64_t delivery_mode, batch_size;   /* AMQP, JDBC */
};

/* The most members of one protocol, and of all. */
enum { FORM_FIELDS = 8, FORM_FIELDS_ALL = 28 };

/* One protocol. */
struct form_kind {
    bool operator_only; /* names files or commands of the machine: refused in a request */
    /* Writes the protocol's own members, ended by a NULL name. */
    void (*fields)(struct form *form, struct json_field out[FORM_FIELDS]);
    /* After the members were read: what their types do not say. Sets defaults. NULL: nothing. */
    int (*check)(struct form *form, struct fault *fault);
};
extern const struct form_kind form_rest, form_file, form_exec, form_null, form_amqp, form_jdbc;

/* Copies a table of fields with the NULL name at its end; their count. For fields(). */
size_t form_add_fields(struct json_field *out, const struct json_field *fields);
/* A host name or an IPv4 address of `size` bytes: letters, digits, '.', '-', '_'. */
bool form_host_is_valid(const char *host, size_t size);

#endif
