/*
 * redis_request - see redis_request.h
 */
#include "redis_request.h"

#include <stdint.h>
#include <string.h>
#include "text.h"
#include "xalloc.h"

static const char asking_bytes[] = "*1\r\n$6\r\nASKING\r\n";

enum { HEAD_MAX = 1 + TEXT_DECIMAL_SIZE + 2 };
static const size_t command_max = SIZE_MAX / 4; /* so that no sum wraps */

/* "*2\r\n" before a command's arguments, "$3\r\n" before the bytes of each; returns the end. */
static char *put_head(char *at, char kind, size_t number)
{
    char decimal[TEXT_DECIMAL_SIZE];

    *at++ = kind;
    return stpcpy(stpcpy(at, text_decimal(number, decimal)), "\r\n");
}

/* Not hiredis's redisFormatCommandArgv(), which calls printf for each argument: a batch has hundreds. */
int redis_request_format(struct redis_request *request, int argc, const char *const *argv,
                         const size_t *sizes, struct fault *fault)
{
    size_t most = HEAD_MAX;

    *request = (struct redis_request){0};
    for (int i = 0; i < argc; i++) {
        size_t size = sizes ? sizes[i] : strlen(argv[i]);
        if (most > command_max || size > command_max)
            return fault_set(fault, FAULT_BUG, "redis: a command that cannot be written");
        most += HEAD_MAX + size + 2;
    }
    request->bytes = xmalloc(most);
    char *at = put_head(request->bytes, '*', (size_t)argc);
    for (int i = 0; i < argc; i++) {
        size_t size = sizes ? sizes[i] : strlen(argv[i]);
        at = put_head(at, '$', size);
        memcpy(at, argv[i], size);
        at += size;
        *at++ = '\r';
        *at++ = '\n';
    }
    request->size = (size_t)(at - request->bytes);
    return 0;
}

int redis_request_vformat(struct redis_request *request, const char *format, va_list arguments,
                          struct fault *fault)
{
    char *bytes = NULL;
    int size = redisvFormatCommand(&bytes, format, arguments);

    *request = (struct redis_request){0};
    if (size < 0)
        return fault_set(fault, FAULT_BUG, "redis: a command that cannot be written: %s", format);
    request->bytes = bytes;
    request->size = (size_t)size;
    return 0;
}

int redis_request_format_eval(struct redis_request *request, struct redis_script *script, int key_count,
                              int argc, const char *const *argv, const size_t *sizes, struct fault *fault)
{
    const char **all = xreallocarray(NULL, (size_t)argc + 3, sizeof *all);
    size_t *lengths = xreallocarray(NULL, (size_t)argc + 3, sizeof *lengths);
    char keys[16];
    int status;

    snprintf(keys, sizeof keys, "%d", key_count);
    all[0] = "EVALSHA";
    all[1] = script->sha;
    all[2] = keys;
    for (int i = 0; i < argc; i++)
        all[i + 3] = argv[i];
    for (int i = 0; i < argc + 3; i++)
        lengths[i] = i >= 3 && sizes ? sizes[i - 3] : strlen(all[i]);
    status = redis_request_format(request, argc + 3, all, lengths, fault);
    request->script = script;
    free(all);
    free(lengths);
    return status;
}

void redis_request_set_asking(struct redis_request *request, bool asking)
{
    const size_t extra = sizeof asking_bytes - 1;

    if (asking && request->asking == 0) {
        request->bytes = xrealloc(request->bytes, request->size + extra);
        memmove(request->bytes + extra, request->bytes, request->size);
        memcpy(request->bytes, asking_bytes, extra);
        request->size += extra;
        request->asking = extra;
    } else if (!asking && request->asking > 0) {
        request->size -= request->asking;
        memmove(request->bytes, request->bytes + request->asking, request->size);
        request->asking = 0;
    }
}

bool redis_request_failed_with(const struct redis_request *request, const char *word)
{
    size_t size = strlen(word);

    return request->reply && request->reply->type == REDIS_REPLY_ERROR &&
           strncmp(request->reply->str, word, size) == 0 && request->reply->str[size] == ' ';
}

void redis_request_reopen(struct redis_request *request)
{
    if (request->reply)
        freeReplyObject(request->reply);
    request->reply = NULL;
}

void redis_request_release(struct redis_request *request)
{
    redis_request_reopen(request);
    if (request->bytes) {
        explicit_bzero(request->bytes, request->size); /* it may have been a password */
        redisFreeCommand(request->bytes);
    }
    *request = (struct redis_request){0};
}
