/*
 * The settings of a client, and the connection that they describe: to one server, to the master that
 * Sentinels name, or to a cluster.
 */
#include "redis_parts.h"

#include <string.h>
#include "clock.h"
#include "redis_error.h"
#include "redis_slot.h"
#include "text.h"
#include "xalloc.h"

enum { TIMEOUT_DEFAULT_MS = 5000, SENTINEL_PORT = 26379 };

/* ---- settings ---- */

static int check_tls(const struct redis_config *config, struct fault *fault)
{
    const char *const files[] = {config->tls_ca_file, config->tls_cert_file, config->tls_key_file};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (files[i] && files[i][0] != '/')
            return fault_set(fault, FAULT_CONFIG, "redis: TLS: '%.200s' is not an absolute path", files[i]);
        if (files[i] && !config->tls)
            return fault_set(fault, FAULT_CONFIG, "redis: %s is for TLS, which is off", files[i]);
    }
    if (config->tls_key_file && !config->tls_cert_file)
        return fault_set(fault, FAULT_CONFIG, "redis: TLS: a key, and no certificate");
    return 0;
}

static int check_list(const char *text, int default_port, struct fault *fault)
{
    struct addresses addresses;

    if (addresses_parse(text, default_port, &addresses, fault))
        return fault_wrap(fault, "redis");
    addresses_release(&addresses);
    return 0;
}

int redis_config_check(const struct redis_config *config, struct fault *fault)
{
    bool local = config->host && config->host[0] == '/';

    if (check_tls(config, fault))
        return -1;
    if (config->sentinels && config->cluster)
        return fault_set(fault, FAULT_CONFIG, "redis: there are sentinels and a cluster: it can be one only");
    if (!config->sentinels != !config->sentinel_master)
        return fault_set(fault, FAULT_CONFIG, "redis: %s",
                         config->sentinels ? "there are sentinels, and no name of a master to ask them for"
                                           : "there is the name of a master, and no sentinels to ask");
    if (config->sentinels)
        return check_list(config->sentinels, SENTINEL_PORT, fault);
    if (local && (config->tls || config->cluster))
        return fault_set(fault, FAULT_CONFIG, "redis: %s is a unix socket: no %s there", config->host,
                         config->tls ? "TLS" : "cluster");
    if (config->cluster && config->database != 0)
        return fault_set(fault, FAULT_CONFIG, "redis: a cluster has the database 0 only");
    return config->cluster && config->host ? check_list(config->host, config->port, fault) : 0;
}

static char *list_text(const struct addresses *addresses)
{
    char *list = xstrdup("");

    for (size_t i = 0; i < addresses->count; i++) {
        char *one = address_text(addresses->items[i].host, addresses->items[i].port);
        char *longer = xasprintf("%s%s%s", list, i ? "," : "", one);

        free(one);
        free(list);
        list = longer;
    }
    return list;
}

/* ---- a client ---- */

static void make_cluster(struct redis *redis, const char *host, int port)
{
    struct addresses seeds;
    char *list;

    if (addresses_parse(host, port, &seeds, NULL))
        abort(); /* it was checked */
    list = list_text(&seeds);
    redis->address = xasprintf("redis cluster at %s", list);
    redis->cluster = redis_cluster_new(&seeds, redis->address, &redis->login, &redis->generation);
    free(list);
}

static void make_sentinel(struct redis *redis, const struct redis_config *config)
{
    struct addresses addresses;
    char *list;

    if (addresses_parse(config->sentinels, SENTINEL_PORT, &addresses, NULL))
        abort(); /* it was checked */
    list = list_text(&addresses);
    redis->address = xasprintf("redis master %s (sentinels at %s)", config->sentinel_master, list);
    redis->sentinel = redis_sentinel_new(&addresses, config->sentinel_master, &redis->sentinel_login);
    redis->node = redis_node_new(redis->address, "", 0, &redis->login);
    free(list);
}

static void make_single(struct redis *redis, const char *host, int port)
{
    char *where = host[0] == '/' ? xstrdup(host) : address_text(host, port);

    redis->address = xasprintf("redis at %s", where);
    redis->node = redis_node_new(redis->address, host, port, &redis->login);
    free(where);
}

struct redis *redis_new(const struct redis_config *config)
{
    struct redis *redis = xcalloc(1, sizeof *redis);
    const char *host = config->host ? config->host : "localhost";
    int64_t timeout_ms = config->timeout_ms > 0 ? config->timeout_ms : TIMEOUT_DEFAULT_MS;

    redis->tls = (struct tls_config){.ca_file = xstrdup_null(config->tls_ca_file),
                                     .cert_file = xstrdup_null(config->tls_cert_file),
                                     .key_file = xstrdup_null(config->tls_key_file)};
    redis->login = (struct redis_login){.user = xstrdup_null(config->user),
                                        .password = xstrdup_null(config->password),
                                        .database = config->database,
                                        .timeout_ms = timeout_ms,
                                        .tls = config->tls ? &redis->tls : NULL,
                                        .tls_name = xstrdup_null(config->tls_server_name)};
    redis->sentinel_login = (struct redis_login){.user = xstrdup_null(config->sentinel_user),
                                                 .password = xstrdup_null(config->sentinel_password),
                                                 .timeout_ms = timeout_ms,
                                                 .tls = redis->login.tls,
                                                 .tls_name = redis->login.tls_name};
    if (redis_config_check(config, &redis->mistake) == 0 && config->cluster)
        make_cluster(redis, host, config->port);
    else if (redis->mistake.class == FAULT_NONE && config->sentinels)
        make_sentinel(redis, config);
    else
        make_single(redis, host, config->port);
    text_printable(redis->address);
    return redis;
}

static void login_release(struct redis_login *login)
{
    if (login->password)
        explicit_bzero(login->password, strlen(login->password));
    free(login->password);
    free(login->user);
}

void redis_free(struct redis *redis)
{
    if (!redis)
        return;
    redis_node_free(redis->node);
    redis_sentinel_free(redis->sentinel);
    redis_cluster_free(redis->cluster);
    for (size_t i = 0; i < redis->count; i++)
        redis_request_release(&redis->requests[i]);
    free(redis->requests);
    login_release(&redis->login);
    login_release(&redis->sentinel_login);
    free((char *)redis->login.tls_name);
    free((char *)redis->tls.ca_file);
    free((char *)redis->tls.cert_file);
    free((char *)redis->tls.key_file);
    free(redis->address);
    free(redis);
}

const char *redis_address(const struct redis *redis)
{
    return redis->address;
}

unsigned redis_generation(const struct redis *redis)
{
    return redis->generation;
}

int redis_fd(const struct redis *redis)
{
    return redis->cluster ? redis_cluster_fd(redis->cluster) : redis_link_fd(redis->node->link);
}

bool redis_is_connected(const struct redis *redis)
{
    return redis_fd(redis) >= 0;
}

void redis_close(struct redis *redis)
{
    if (redis->cluster)
        redis_cluster_close(redis->cluster);
    else
        redis_node_close(redis->node);
}

static int open_master(struct redis *redis, int64_t deadline_ms, struct fault *fault)
{
    int status = redis_sentinel_open(redis->sentinel, redis->node, deadline_ms, fault);

    free(redis->address);
    redis->address = xstrdup(redis_link_name(redis->node->link));
    return status;
}

int redis_connect(struct redis *redis, struct fault *fault)
{
    int64_t deadline_ms = clock_mono_ms() + redis->login.timeout_ms;

    if (redis->mistake.class != FAULT_NONE) {
        if (fault)
            *fault = redis->mistake;
        return -1;
    }
    if (redis->cluster) {
        redis_cluster_begin(redis->cluster, true);
        return redis_cluster_node(redis->cluster, REDIS_SLOT_NONE, deadline_ms, fault) ? 0 : -1;
    }
    if (redis_node_is_usable(redis->node))
        return 0;
    if (redis->sentinel ? open_master(redis, deadline_ms, fault)
                        : redis_node_open(redis->node, deadline_ms, fault))
        return -1;
    redis->generation++;
    return 0;
}

/* A single server has no other to send a client to: it belongs to a cluster, and nobody said so. */
static bool is_of_a_cluster(const redisReply *reply)
{
    return text_starts_with(reply->str, "MOVED ") || text_starts_with(reply->str, "ASK ");
}

int redis_reply_fault(struct redis *redis, const redisReply *reply, struct fault *fault)
{
    enum redis_remedy remedy;
    enum fault_class class;

    if (reply->type != REDIS_REPLY_ERROR)
        return 0;
    class = redis_error_class(reply, &remedy);
    if (!redis->cluster && is_of_a_cluster(reply))
        fault_set(fault, FAULT_CONFIG, "%s: it belongs to a cluster, which the settings do not say (%s)",
                  redis->address, reply->str);
    else
        fault_set(fault, class, "%s: %s", redis->address, reply->str);
    if (remedy == REDIS_REMEDY_REPLACE || (remedy == REDIS_REMEDY_SEEK && redis->sentinel))
        redis_close(redis);
    return -1;
}
