/*
 * jdbc_url - the address of a PostgreSQL database, as JDBC and as libpq write it
 *
 *   jdbc:postgresql://host1:5432,host2/reports?sslmode=verify-full&ApplicationName=dist
 *   jdbc:postgresql:reports                          localhost
 *   postgresql://[2001:db8::1]:5433/reports
 *   postgresql:///reports?host=/run/postgresql       the folder of a unix socket
 *   postgresql://%2Frun%2Fpostgresql/reports         the same
 *
 * Parts are percent-decoded. Only the parameters of dist-destinations(5) are taken. Users and passwords are
 * refused: a URL ends in logs. No fault quotes a value.
 */
#ifndef DIST_JDBC_URL_H
#define DIST_JDBC_URL_H

#include <stdbool.h>
#include <stddef.h>
#include "fault.h"

enum { JDBC_HOSTS_MAX = 8, JDBC_PORT_DEFAULT = 5432 };

struct jdbc_host {
    char *host; /* a name, an address without brackets, or the folder of a unix socket */
    int port;
};

struct jdbc_url {
    struct jdbc_host hosts[JDBC_HOSTS_MAX]; /* at least one, tried in this order */
    size_t host_count;
    char *database;                       /* NULL: that of the user's name */
    const char *sslmode;                  /* static; NULL: not said */
    char *ca_file, *cert_file, *key_file; /* absolute paths, or NULL */
    char *application;                    /* NULL: not said */
};

/* Class INPUT; the text begins with "/connection/url: ". The url is empty then. */
int jdbc_url_parse(const char *text, struct jdbc_url *url, struct fault *fault);
void jdbc_url_release(struct jdbc_url *url); /* zeroed memory is fine */
/* Whether one of its hosts is a unix socket. */
bool jdbc_url_has_socket(const struct jdbc_url *url);

#endif
