/*
 * redis_request - a command in the form in which it is sent, and its reply once it came
 */
#ifndef DIST_REDIS_REQUEST_H
#define DIST_REDIS_REQUEST_H

#include <stdarg.h>
#include <stddef.h>
#include "fault.h"
#include "redis.h"

struct redis_node;
struct redis_request {
    char *bytes; /* redisFreeCommand() frees them; "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n" */
    size_t size;
    size_t asking;               /* bytes of an ASKING in front of it */
    struct redis_script *script; /* that it calls, or NULL */
    bool reloaded;               /* the script was loaded again for it */
    int slot;                    /* of its keys, in a cluster; see redis_slot.h */
    struct redis_node *node;     /* where it goes, or went last */
    struct redis_node *ask;      /* where it is to be sent this once (ASK), or NULL */
    redisReply *reply;           /* NULL: not yet */
};

/* `argv` and `sizes` as in redis.h. BUG for what cannot be written; the request is empty then. */
int redis_request_format(struct redis_request *request, int argc, const char *const *argv,
                         const size_t *sizes, struct fault *fault);
int redis_request_vformat(struct redis_request *request, const char *format, va_list arguments,
                          struct fault *fault);
/* EVALSHA <hash> <key_count> <argv...> */
int redis_request_format_eval(struct redis_request *request, struct redis_script *script, int key_count,
                              int argc, const char *const *argv, const size_t *sizes, struct fault *fault);
/* Puts an ASKING in front of it, whose reply nobody gets, or takes that away. */
void redis_request_set_asking(struct redis_request *request, bool asking);
/* True where the reply is an error that starts with `word` and a blank. */
bool redis_request_failed_with(const struct redis_request *request, const char *word);
/* Its reply is forgotten: it is to be sent again. */
void redis_request_reopen(struct redis_request *request);
/* Wipes and frees what it holds. */
void redis_request_release(struct redis_request *request);

#endif
