/*
 * webhdfs - one operation of WebHDFS, with its redirect to a datanode, on an event loop
 *
 *   PUT http://namenode:9870/webhdfs/v1/data/a.json?op=CREATE&user.name=dist
 *       307, Location: http://datanode:9864/webhdfs/v1/data/a.json?op=CREATE&...
 *   PUT http://datanode:9864/webhdfs/v1/data/a.json?op=CREATE&...   with the body
 *       201
 *
 * Source: the page "WebHDFS REST API" of Apache Hadoop. This is the one place where a redirect is followed,
 * once, and only with `redirected`. Its target must be http or https, and https where the namenode is; have
 * no user and no fragment in it; lead to a path of WebHDFS without "." and ".."; be one of `datanodes` where
 * these are named; and pass the address guard as any address does. A body is sent to the target alone.
 *
 * What http.h says of deadlines, TLS, the address guard and connections holds here.
 */
#ifndef DIST_WEBHDFS_H
#define DIST_WEBHDFS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "http.h"

enum { WEBHDFS_NAME_SIZE = 80, WEBHDFS_MESSAGE_SIZE = 301 };

struct webhdfs {
    const char *endpoint;    /* "https://namenode:9871", a path behind it is kept; no '/' at its end */
    const char *user;        /* user.name, or NULL */
    const char *delegation;  /* a token, in place of the user; or NULL. No text of ours repeats it */
    const json_t *datanodes; /* array of host names, or NULL */
    const char *ca_file, *cert_file, *key_file;
    const char *proxy; /* as of struct http_request */
    struct guard guard;
};

struct webhdfs_request {
    const char *method, *op;
    const char *path;  /* absolute, not encoded */
    const char *query; /* further parameters, encoded: "&overwrite=true"; "" */
    bool redirected;   /* the operation is a datanode's: a redirect is followed */
    const void *body;  /* for the datanode; NULL: none. Not without `redirected` */
    size_t body_size;
    size_t max_response;
    int64_t deadline_ms; /* clock_mono_ms() */
};

enum webhdfs_result {
    WEBHDFS_ANSWERED,
    WEBHDFS_FAILED,     /* the response's result says why there is no answer */
    WEBHDFS_REFUSED,    /* the redirect leads where nothing may be sent; `message` says why */
    WEBHDFS_UNEXPECTED, /* a success came where a redirect was due: the body was not sent */
};

struct webhdfs_answer {
    enum webhdfs_result result;
    int status;                           /* where ANSWERED; with UNEXPECTED the one that came */
    char exception[WEBHDFS_NAME_SIZE];    /* of a RemoteException, "StandbyException"; "" */
    char message[WEBHDFS_MESSAGE_SIZE];   /* for people, printable; "" */
    const json_t *json;                   /* the body where it is JSON, or NULL */
    const struct http_response *response; /* the last one */
};

typedef void (*webhdfs_done)(void *arg, const struct webhdfs_answer *answer); /* the answer is borrowed */
struct webhdfs_call;

/*
 * Everything is borrowed until it is done or cancelled, but the request's own struct and its path and query.
 * `done` is called once, later; the call is gone when it returns.
 */
struct webhdfs_call *webhdfs_start(struct http *http, const struct webhdfs *server,
                                   const struct webhdfs_request *request, webhdfs_done done, void *arg);
void webhdfs_cancel(struct webhdfs_call *call); /* NULL is fine */

/* What is wrong with the target of a redirect, or NULL. Pure. */
const char *webhdfs_target_mistake(const struct webhdfs *server, const char *target);

#endif
