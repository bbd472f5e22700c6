/*
 * One connection, driven over hiredis's formatter and reader. Connecting is hiredis's; after it the socket is
 * non-blocking and every wait is a poll() against an absolute deadline, because a socket timeout
 * (SO_RCVTIMEO) starts again with every byte that drips in. Writing is send(MSG_NOSIGNAL): hiredis's write()
 * raises SIGPIPE.
 *
 * States: closed (context NULL), or connected with nothing outstanding. The hard rule: whenever a reply that
 * was asked for was not read, the connection is closed, so no call can ever get the answer of an earlier one.
 */
#include "redis.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include "clock.h"
#include "xalloc.h"

enum { TIMEOUT_DEFAULT_MS = 5000, IOVEC_MAX = 64 };

/* A command in the wire form, and its reply once it came. */
struct command {
    char *bytes; /* hiredis's: redisFreeCommand() */
    size_t size;
    struct redis_script *script; /* that it calls, or NULL */
    redisReply *reply;           /* NULL: not yet */
};

struct redis {
    char *host, *user, *password, *address;
    int port, database;
    int64_t timeout_ms;
    redisContext *context;
    unsigned generation;
    struct command *commands; /* the pipeline: appended, not sent */
    size_t count, cap;
};

struct redis *redis_new(const struct redis_config *config)
{
    struct redis *redis = xcalloc(1, sizeof *redis);

    redis->host = xstrdup(config->host ? config->host : "localhost");
    redis->user = xstrdup_null(config->user);
    redis->password = xstrdup_null(config->password);
    redis->port = config->port;
    redis->database = config->database;
    redis->timeout_ms = config->timeout_ms > 0 ? config->timeout_ms : TIMEOUT_DEFAULT_MS;
    if (redis->host[0] == '/')
        redis->address = xasprintf("redis at %s", redis->host);
    else if (strchr(redis->host, ':'))
        redis->address = xasprintf("redis at [%s]:%d", redis->host, redis->port);
    else
        redis->address = xasprintf("redis at %s:%d", redis->host, redis->port);
    return redis;
}

static void command_release(struct command *command)
{
    if (command->bytes)
        redisFreeCommand(command->bytes);
    if (command->reply)
        freeReplyObject(command->reply);
    *command = (struct command){0};
}

static void commands_free(struct command *commands, size_t count)
{
    for (size_t i = 0; i < count; i++)
        command_release(&commands[i]);
    free(commands);
}

static void pipeline_drop(struct redis *redis)
{
    commands_free(redis->commands, redis->count);
    redis->commands = NULL;
    redis->count = redis->cap = 0;
}

void redis_free(struct redis *redis)
{
    if (!redis)
        return;
    redis_close(redis);
    pipeline_drop(redis);
    if (redis->password)
        explicit_bzero(redis->password, strlen(redis->password));
    free(redis->password);
    free(redis->user);
    free(redis->host);
    free(redis->address);
    free(redis);
}

const char *redis_address(const struct redis *redis)
{
    return redis->address;
}

void redis_close(struct redis *redis)
{
    if (redis->context)
        redisFree(redis->context);
    redis->context = NULL;
}

bool redis_is_connected(const struct redis *redis)
{
    return redis->context != NULL;
}

unsigned redis_generation(const struct redis *redis)
{
    return redis->generation;
}

int redis_fd(const struct redis *redis)
{
    return redis->context ? redis->context->fd : -1;
}

static int broken(struct redis *redis, const char *why, struct fault *fault)
{
    fault_set(fault, FAULT_UNAVAILABLE, "%s: %s", redis->address, why);
    redis_close(redis); /* after the message: `why` may be the context's */
    return -1;
}

/* What an error reply means, by how it starts. */
static const struct {
    const char *start;
    enum fault_class class;
    bool close; /* another connection may do better */
} errors[] = {
    {"LOADING ", FAULT_TEMP, false},
    {"OOM ", FAULT_TEMP, false},
    {"BUSY ", FAULT_TEMP, false},
    {"TRYAGAIN ", FAULT_TEMP, false},
    {"NOSCRIPT ", FAULT_TEMP, false}, /* forgotten again right after it was loaded */
    {"READONLY ", FAULT_TEMP, true},  /* a replica now: a new connection may find the master */
    {"MASTERDOWN ", FAULT_TEMP, true},
    {"NOREPLICAS ", FAULT_TEMP, false},
    {"CLUSTERDOWN ", FAULT_TEMP, false},
    {"MISCONF ", FAULT_TEMP, false}, /* writes are refused while snapshots fail */
    {"UNBLOCKED ", FAULT_TEMP, true},
    {"ERR max number of clients", FAULT_TEMP, true},
    {"NOAUTH ", FAULT_CONFIG, true},
    {"WRONGPASS ", FAULT_CONFIG, true},
    {"NOPERM ", FAULT_CONFIG, false},
    {"DENIED ", FAULT_CONFIG, true}, /* protected mode */
};

int redis_reply_fault(struct redis *redis, const redisReply *reply, struct fault *fault)
{
    enum fault_class class = FAULT_BUG;
    bool close = false;

    if (reply->type != REDIS_REPLY_ERROR)
        return 0;
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strncmp(reply->str, errors[i].start, strlen(errors[i].start)) == 0) {
            class = errors[i].class;
            close = errors[i].close;
        }
    fault_set(fault, class, "%s: %s", redis->address, reply->str);
    if (close)
        redis_close(redis);
    return -1;
}

static bool is_forgotten(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "NOSCRIPT ", 9) == 0;
}

/* A run of commands on its way: those without a reply are sent, then read. */
struct exchange {
    struct command *commands;
    size_t count;
    size_t sending; /* the command that is to be sent next */
    size_t sent;    /* bytes of it that went out */
    size_t reading; /* the command whose reply comes next */
};

static size_t open_from(const struct exchange *exchange, size_t i)
{
    while (i < exchange->count && exchange->commands[i].reply)
        i++;
    return i;
}

static void advance(struct exchange *exchange, size_t bytes)
{
    while (bytes > 0) {
        size_t left = exchange->commands[exchange->sending].size - exchange->sent;

        if (bytes < left) {
            exchange->sent += bytes;
            return;
        }
        bytes -= left;
        exchange->sending = open_from(exchange, exchange->sending + 1);
        exchange->sent = 0;
    }
}

/* Sends what the socket takes now. 0, or -1 with errno. */
static int send_some(struct redis *redis, struct exchange *exchange)
{
    while (exchange->sending < exchange->count) {
        struct iovec parts[IOVEC_MAX];
        struct msghdr message = {.msg_iov = parts};
        size_t skip = exchange->sent;
        ssize_t n;

        for (size_t i = exchange->sending; i < exchange->count && message.msg_iovlen < IOVEC_MAX;
             i = open_from(exchange, i + 1)) {
            struct command *command = &exchange->commands[i];

            parts[message.msg_iovlen++] =
                (struct iovec){.iov_base = command->bytes + skip, .iov_len = command->size - skip};
            skip = 0;
        }
        n = sendmsg(redis->context->fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
        advance(exchange, (size_t)n);
    }
    return 0;
}

/* Takes the replies that are complete in memory; how many, or -1. */
static int take_replies(struct redis *redis, struct exchange *exchange)
{
    int taken = 0;

    while (exchange->reading < exchange->count) {
        void *reply = NULL;

        if (redisGetReplyFromReader(redis->context, &reply) != REDIS_OK)
            return -1;
        if (!reply)
            break;
        exchange->commands[exchange->reading].reply = reply;
        exchange->reading = open_from(exchange, exchange->reading + 1);
        taken++;
    }
    return taken;
}

/* One turn of waiting for the socket; 1: go on, 0: the deadline passed, -1: fault, the connection is closed.
 */
static int turn(struct redis *redis, struct exchange *exchange, int64_t deadline_ms, struct fault *fault)
{
    struct pollfd ready = {.fd = redis->context->fd, .events = POLLIN};
    int64_t left_ms;
    int n;

    if (send_some(redis, exchange))
        return broken(redis, strerror(errno), fault);
    if (exchange->sending < exchange->count)
        ready.events |= POLLOUT;
    left_ms = deadline_ms - clock_mono_ms();
    if (left_ms < 0)
        left_ms = 0;
    n = poll(&ready, 1, left_ms > 1000000 ? 1000000 : (int)left_ms);
    if (n < 0 && errno != EINTR)
        return broken(redis, strerror(errno), fault);
    if (n == 0)
        return clock_mono_ms() < deadline_ms;
    if (n > 0 && (ready.revents & ~POLLOUT) && redisBufferRead(redis->context) != REDIS_OK)
        return broken(redis, redis->context->errstr, fault);
    return 1;
}

/* Sends the commands that have no reply and waits for their replies, each up to its deadline. */
static int run(struct redis *redis, struct command *commands, size_t count, int64_t block_ms,
               struct fault *fault)
{
    int64_t patience_ms = redis->timeout_ms + (block_ms > 0 ? block_ms : 0);
    int64_t deadline_ms = clock_mono_ms() + patience_ms;
    struct exchange exchange = {.commands = commands, .count = count};

    exchange.sending = exchange.reading = open_from(&exchange, 0);
    while (exchange.reading < count) {
        int going = turn(redis, &exchange, deadline_ms, fault);
        int taken;

        if (going < 0)
            return -1;
        taken = take_replies(redis, &exchange);
        if (taken < 0)
            return broken(redis, redis->context->errstr, fault);
        if (taken > 0)
            deadline_ms = clock_mono_ms() + patience_ms;
        else if (going == 0) {
            char why[64];

            snprintf(why, sizeof why, "no answer within %lld ms", (long long)patience_ms);
            return broken(redis, why, fault);
        }
    }
    return 0;
}

static int format(struct command *command, int argc, const char *const *argv, const size_t *sizes,
                  struct fault *fault)
{
    int size = redisFormatCommandArgv(&command->bytes, argc, (const char **)argv, sizes);

    if (size < 0) {
        command->bytes = NULL;
        return fault_set(fault, FAULT_BUG, "redis: a command that cannot be written");
    }
    command->size = (size_t)size;
    return 0;
}

/* Runs one command and releases it; the reply, errors included, or NULL. */
static redisReply *run_one(struct redis *redis, struct command *command, int64_t block_ms,
                           struct fault *fault)
{
    redisReply *reply = NULL;

    if (run(redis, command, 1, block_ms, fault) == 0) {
        reply = command->reply;
        command->reply = NULL;
    }
    command_release(command);
    return reply;
}

/* A step of logging in: any error reply is a mistake in the configuration, unless it is known to pass. */
static int greet(struct redis *redis, int argc, const char *const *argv, struct fault *fault)
{
    struct command command = {0};
    redisReply *reply;
    int status = 0;

    if (format(&command, argc, argv, NULL, fault))
        return -1;
    reply = run_one(redis, &command, 0, fault);
    if (!reply)
        return -1;
    if (redis_reply_fault(redis, reply, fault)) {
        if (fault && fault->class == FAULT_BUG)
            fault->class = FAULT_CONFIG;
        redis_close(redis);
        status = -1;
    }
    freeReplyObject(reply);
    return status;
}

static int log_in(struct redis *redis, struct fault *fault)
{
    char database[16];

    if (redis->password && redis->user) {
        if (greet(redis, 3, (const char *const[]){"AUTH", redis->user, redis->password}, fault))
            return -1;
    } else if (redis->password) {
        if (greet(redis, 2, (const char *const[]){"AUTH", redis->password}, fault))
            return -1;
    }
    if (redis->database == 0)
        return 0;
    snprintf(database, sizeof database, "%d", redis->database);
    return greet(redis, 2, (const char *const[]){"SELECT", database}, fault);
}

static int open_context(struct redis *redis, struct fault *fault)
{
    struct timeval limit = {.tv_sec = redis->timeout_ms / 1000, .tv_usec = redis->timeout_ms % 1000 * 1000};
    bool local = redis->host[0] == '/';
    int flags;

    if (local && strlen(redis->host) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return fault_set(fault, FAULT_CONFIG, "%s: the path of a socket has at most %zu bytes",
                         redis->address, sizeof((struct sockaddr_un *)0)->sun_path - 1);
    redis->context = local ? redisConnectUnixWithTimeout(redis->host, limit)
                           : redisConnectWithTimeout(redis->host, redis->port, limit);
    if (!redis->context)
        return fault_set(fault, FAULT_SYSTEM, "%s: out of memory", redis->address);
    if (redis->context->err)
        return broken(redis, redis->context->errstr, fault);
    if (!local)
        redisEnableKeepAlive(
            redis->context); /* a peer that vanished is noticed; failing is no reason to stop */
    flags = fcntl(redis->context->fd, F_GETFL);
    if (flags < 0 || fcntl(redis->context->fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(redis->context->fd, F_SETFD, FD_CLOEXEC) < 0)
        return broken(redis, strerror(errno), fault);
    redis->context->flags &= ~REDIS_BLOCK; /* an empty socket is no error of redisBufferRead() */
    return 0;
}

/* Nothing is outstanding between calls: whatever can be read now is the end, or bytes that answer nothing. */
static bool is_stale(const struct redis *redis)
{
    struct pollfd ready = {.fd = redis->context->fd, .events = POLLIN | POLLRDHUP};

    return poll(&ready, 1, 0) > 0;
}

int redis_connect(struct redis *redis, struct fault *fault)
{
    if (redis->context && !is_stale(redis))
        return 0;
    redis_close(redis);
    if (open_context(redis, fault) || log_in(redis, fault))
        return -1;
    redis->generation++;
    return 0;
}

/* Connects, runs one command, releases it. An error reply is a fault. */
static redisReply *command_run(struct redis *redis, struct command *command, int64_t block_ms,
                               struct fault *fault)
{
    redisReply *reply = NULL;

    if (redis_connect(redis, fault))
        command_release(command);
    else
        reply = run_one(redis, command, block_ms, fault);
    if (reply && redis_reply_fault(redis, reply, fault)) {
        freeReplyObject(reply);
        reply = NULL;
    }
    return reply;
}

redisReply *redis_command(struct redis *redis, int64_t block_ms, struct fault *fault, int argc,
                          const char *const *argv, const size_t *sizes)
{
    struct command command = {0};

    if (format(&command, argc, argv, sizes, fault))
        return NULL;
    return command_run(redis, &command, block_ms, fault);
}

redisReply *redis_commandf(struct redis *redis, int64_t block_ms, struct fault *fault,
                           const char *format_text, ...)
{
    struct command command = {0};
    va_list arguments;
    int size;

    va_start(arguments, format_text);
    size = redisvFormatCommand(&command.bytes, format_text, arguments);
    va_end(arguments);
    if (size < 0) {
        fault_set(fault, FAULT_BUG, "redis: a command that cannot be written: %s", format_text);
        return NULL;
    }
    command.size = (size_t)size;
    return command_run(redis, &command, block_ms, fault);
}

/* SCRIPT LOAD <text> -> hash, on the connection that is open now. */
static int script_load(struct redis *redis, struct redis_script *script, struct fault *fault)
{
    struct command command = {0};
    redisReply *reply;
    int status = -1;

    if (format(&command, 3, (const char *const[]){"SCRIPT", "LOAD", script->text}, NULL, fault))
        return -1;
    reply = run_one(redis, &command, 0, fault);
    if (!reply)
        return fault_wrap(fault, "script %s", script->name);
    if (redis_reply_fault(redis, reply, fault))
        fault_wrap(fault, "script %s", script->name);
    else if (reply->type != REDIS_REPLY_STRING || reply->len != sizeof script->sha - 1)
        fault_set(fault, FAULT_BUG, "%s: SCRIPT LOAD did not answer with a hash", redis->address);
    else {
        memcpy(script->sha, reply->str, sizeof script->sha);
        script->generation = redis->generation;
        status = 0;
    }
    freeReplyObject(reply);
    return status;
}

/* EVALSHA <hash> <key_count> <argv...> */
static int format_eval(struct command *command, struct redis_script *script, int key_count, int argc,
                       const char *const *argv, const size_t *sizes, struct fault *fault)
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
    status = format(command, argc + 3, all, lengths, fault);
    command->script = script;
    free(all);
    free(lengths);
    return status;
}

redisReply *redis_eval(struct redis *redis, struct redis_script *script, int key_count, int argc,
                       const char *const *argv, const size_t *sizes, struct fault *fault)
{
    redisReply *reply = NULL;

    for (int tries = 0; tries < 2; tries++) { /* the second after NOSCRIPT: the command did not run */
        struct command command = {0};

        if (redis_connect(redis, fault))
            return NULL;
        if (script->generation != redis->generation && script_load(redis, script, fault))
            return NULL;
        if (format_eval(&command, script, key_count, argc, argv, sizes, fault))
            return NULL;
        reply = run_one(redis, &command, 0, fault);
        if (!reply || tries > 0 || !is_forgotten(reply))
            break;
        freeReplyObject(reply);
        script->generation = 0;
    }
    if (reply && redis_reply_fault(redis, reply, fault)) {
        fault_wrap(fault, "script %s", script->name);
        freeReplyObject(reply);
        reply = NULL;
    }
    return reply;
}

static struct command *pipeline_add(struct redis *redis)
{
    if (redis->count == redis->cap) {
        redis->cap = redis->cap ? 2 * redis->cap : 16;
        redis->commands = xreallocarray(redis->commands, redis->cap, sizeof *redis->commands);
    }
    redis->commands[redis->count] = (struct command){0};
    return &redis->commands[redis->count++];
}

int redis_append(struct redis *redis, int argc, const char *const *argv, const size_t *sizes,
                 struct fault *fault)
{
    if (format(pipeline_add(redis), argc, argv, sizes, fault)) {
        pipeline_drop(redis);
        return -1;
    }
    return 0;
}

int redis_append_eval(struct redis *redis, struct redis_script *script, int key_count, int argc,
                      const char *const *argv, const size_t *sizes, struct fault *fault)
{
    /* The hash of a script is that of its text: once known, it holds for every server. */
    if (script->sha[0] == '\0' && (redis_connect(redis, fault) || script_load(redis, script, fault)))
        goto failed;
    if (format_eval(pipeline_add(redis), script, key_count, argc, argv, sizes, fault))
        goto failed;
    return 0;
failed:
    pipeline_drop(redis);
    return -1;
}

/* Sends the pipeline; where scripts turn out to be forgotten, loads them and sends their commands again. */
static int run_pipeline(struct redis *redis, struct command *commands, size_t count, struct fault *fault)
{
    if (redis_connect(redis, fault))
        return -1;
    for (int tries = 0; tries < 2; tries++) {
        bool again = false;

        for (size_t i = 0; i < count; i++) {
            struct redis_script *script = commands[i].script;

            if (script && script->generation != redis->generation && script_load(redis, script, fault))
                return -1;
        }
        if (run(redis, commands, count, 0, fault))
            return -1;
        for (size_t i = 0; i < count && tries == 0; i++)
            if (commands[i].script && is_forgotten(commands[i].reply)) {
                freeReplyObject(commands[i].reply);
                commands[i].reply = NULL;
                commands[i].script->generation = 0;
                again = true;
            }
        if (!again)
            break;
    }
    return 0;
}

int redis_flush(struct redis *redis, void (*reply)(void *arg, size_t index, redisReply *reply), void *arg,
                struct fault *fault)
{
    struct command *commands = redis->commands;
    size_t count = redis->count;
    int status = 0;

    redis->commands = NULL; /* `reply` may use the connection */
    redis->count = redis->cap = 0;
    if (count > 0)
        status = run_pipeline(redis, commands, count, fault);
    for (size_t i = 0; i < count && status == 0 && reply; i++)
        reply(arg, i, commands[i].reply);
    commands_free(commands, count);
    return status;
}
