/*
 * pg_sink_open - finding a server that may be connected to, and that takes rows: see pg_sink.h
 *
 * libpq could try several hosts by itself, but it would look the names up itself too, and an address that
 * does not answer would eat the time of all the others. So each address is a connection of its own, with its
 * share of the time that is left.
 */
#include "pg_sink_parts.h"

#include <linux/tcp.h> /* which has more than netinet/tcp.h */
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "dial.h"
#include "text.h"
#include "xalloc.h"

/* No such file can be: libpq takes its own default where it is told nothing, and nothing where there is none.
 */
#define NO_FILE "/dev/null/none"
/* What libpq 15 lacks a word for. */
#define SYSTEM_AUTHORITIES "/etc/ssl/certs/ca-certificates.crt"

enum {
    KEYWORDS_MAX = 32,
    TRIES_MAX = 64,
    ADDRESS_SIZE = 100,
    RECEIVE_BUFFER = 32 * 1024,
    GREETING_MAX = 1024 * 1024, /* bytes that a server may say before it has let us in */
};

struct keywords {
    const char *names[KEYWORDS_MAX + 1], *values[KEYWORDS_MAX + 1];
    size_t count;
};

static void add(struct keywords *keywords, const char *name, const char *value)
{
    if (!value || keywords->count == KEYWORDS_MAX)
        return;
    keywords->names[keywords->count] = name;
    keywords->values[keywords->count++] = value;
}

static bool verifies(const struct pg_sink_config *config)
{
    return text_starts_with(config->sslmode, "verify-");
}

static void add_tls(struct keywords *keywords, const struct pg_sink_config *config)
{
    add(keywords, "sslmode", config->sslmode);
    add(keywords, "sslrootcert",
        config->ca_file    ? config->ca_file
        : verifies(config) ? SYSTEM_AUTHORITIES
                           : NO_FILE);
    add(keywords, "sslcert", config->cert_file ? config->cert_file : NO_FILE);
    add(keywords, "sslkey",
        config->key_file    ? config->key_file
        : config->cert_file ? config->cert_file
                            : NO_FILE);
    add(keywords, "sslcrl", NO_FILE);
    add(keywords, "ssl_min_protocol_version", "TLSv1.2");
    add(keywords, "gssencmode", "disable");
}

/* `address` is NULL for a unix socket. */
static PGconn *start(const struct pg_sink_config *config, const char *host, const char *address,
                     const char *port)
{
    struct keywords keywords = {0};

    add(&keywords, "host", config->tls_name && address ? config->tls_name : host);
    add(&keywords, "hostaddr", address);
    add(&keywords, "port", port);
    add(&keywords, "dbname", config->database);
    add(&keywords, "user", config->user);
    /* Told nothing, libpq would ask the environment; a password of a blank is nobody's. */
    add(&keywords, "password", config->password && *config->password ? config->password : " ");
    add(&keywords, "passfile", "/dev/null");
    add(&keywords, "application_name", config->application);
    add(&keywords, "client_encoding", "UTF8");
    add(&keywords, "target_session_attrs", "read-write");
    add(&keywords, "keepalives_idle", "30");
    add(&keywords, "keepalives_interval", "10");
    add(&keywords, "keepalives_count", "3");
    add_tls(&keywords, config);
    return PQconnectStartParams(keywords.names, keywords.values, 0);
}

int pg_sink_fail(struct pg_sink_error *error, enum pg_sink_cause cause, const char *message)
{
    char line[PG_LINE_SIZE];

    *error = (struct pg_sink_error){.cause = cause};
    text_copy(error->text, sizeof error->text, pg_first_line(message, line));
    return -1;
}

uint64_t pg_sink_received(PGconn *connection)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;

    if (getsockopt(PQsocket(connection), IPPROTO_TCP, TCP_INFO, &info, &size))
        return 0;
    return info.tcpi_bytes_received;
}

int pg_sink_wait(PGconn *connection, short events, int64_t deadline_ms, short *got)
{
    struct pollfd socket = {.fd = PQsocket(connection), .events = events};

    for (;;) {
        int64_t left_ms = deadline_ms - clock_mono_ms();
        int ready = poll(&socket, 1, left_ms <= 0 ? 0 : left_ms > 1000000 ? 1000000 : (int)left_ms);

        *got = socket.revents;
        if (left_ms <= 0) /* whatever came: a server that never falls silent is late too */
            return -1;
        if (ready > 0)
            return 0;
    }
}

/* libpq has no code for it, but these words in all of its messages about TLS. */
static bool is_about_tls(const char *message)
{
    return strstr(message, "SSL") || strstr(message, "certificate");
}

static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

static int refused(PGconn *connection, struct pg_sink_error *error)
{
    char *message = xstrdup(PQerrorMessage(connection)), state[PG_STATE_SIZE] = "";
    const char *found = pg_state_in_message(message, state);

    pg_sink_fail(error,
                 *found                  ? PG_SINK_STATE
                 : is_about_tls(message) ? PG_SINK_TLS
                                         : PG_SINK_CONNECT,
                 message);
    text_copy(error->state, sizeof error->state, found);
    free(message);
    return -1;
}

/*
 * libpq reads for as long as something is there, into as much memory as the server says a message has: so
 * little may be there at once. Answers are short, and what we send has another buffer.
 */
static void listen_little(int fd)
{
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){RECEIVE_BUFFER}, sizeof(int));
}

static int shake_hands(PGconn *connection, const struct pg_sink_config *config, int64_t deadline_ms,
                       struct pg_sink_error *error)
{
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    short got;

    PQsetNoticeProcessor(connection, ignore_notice, NULL);
    PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
    if (PQstatus(connection) == CONNECTION_BAD)
        return refused(connection, error);
    while (state != PGRES_POLLING_OK) {
        if (state == PGRES_POLLING_FAILED)
            return refused(connection, error);
        listen_little(PQsocket(connection));
        if (PQsocket(connection) >= 0) /* it is another one where TLS is not spoken, by the same number */
            config->on_socket(config->arg, PQsocket(connection));
        if (pg_sink_wait(connection, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms, &got))
            return pg_sink_fail(error, PG_SINK_TIMEOUT, "no connection in time");
        if (pg_sink_received(connection) > GREETING_MAX)
            return pg_sink_fail(error, PG_SINK_CONNECT, "the server says more than a greeting has");
        state = PQconnectPoll(connection);
    }
    PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
    PQsetnonblocking(connection, 1);
    return 0;
}

static struct pg_sink *connect_to(const struct pg_sink_config *config, const struct pg_sink_host *host,
                                  const char *address, int64_t deadline_ms, struct pg_sink_error *error)
{
    char port[12];

    snprintf(port, sizeof port, "%d", host->port);
    PGconn *connection = start(config, host->host, address, port);
    if (!connection)
        abort(); /* out of memory, as in xalloc */
    if (shake_hands(connection, config, deadline_ms, error)) {
        PQfinish(connection);
        return NULL;
    }
    struct pg_sink *sink = xcalloc(1, sizeof *sink);
    sink->connection = connection;
    return sink;
}

/* Whether another server may do better: not where this one knows us, and says no. */
static bool is_worth_another(const struct pg_sink_error *error)
{
    return error->cause != PG_SINK_STATE || text_starts_with(error->state, "57P") ||
           text_starts_with(error->state, "53");
}

struct search {
    const struct pg_sink_config *config;
    struct pg_sink_error *error;
    size_t hosts_left;
    bool was_refused_only; /* so far no address but those that the guard refuses */
};

static int64_t share(int64_t deadline_ms, size_t parts)
{
    int64_t now_ms = clock_mono_ms();

    return now_ms + (deadline_ms - now_ms) / (int64_t)(parts ? parts : 1);
}

/* NULL: the next one; `error` says why. */
static struct pg_sink *try_address(struct search *search, const struct pg_sink_host *host,
                                   const struct addrinfo *at, int64_t deadline_ms)
{
    const char *network = guard_refuses(&search->config->guard, at->ai_addr);
    char address[ADDRESS_SIZE], text[PG_LINE_SIZE];

    if (getnameinfo(at->ai_addr, at->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST)) {
        pg_sink_fail(search->error, PG_SINK_CONNECT, "an address that cannot be written");
        return NULL;
    }
    if (network) {
        snprintf(text, sizeof text, "%s is refused: %s", address, network);
        if (search->was_refused_only)
            pg_sink_fail(search->error, PG_SINK_REFUSED_ADDRESS, text);
        return NULL;
    }
    search->was_refused_only = false;
    return connect_to(search->config, host, address, deadline_ms, search->error);
}

static struct pg_sink *try_name(struct search *search, const struct pg_sink_host *host)
{
    int64_t deadline_ms = share(search->config->deadline_ms, search->hosts_left);
    struct addrinfo *found = NULL;
    struct pg_sink *sink = NULL;
    struct fault fault = {0};
    size_t left = 0;

    if (dial_look_up(host->host, host->port, deadline_ms, &found, &fault)) {
        if (!search->was_refused_only || search->error->cause != PG_SINK_REFUSED_ADDRESS)
            pg_sink_fail(search->error, PG_SINK_CONNECT, fault.text);
        return NULL;
    }
    for (const struct addrinfo *at = found; at && left < TRIES_MAX; at = at->ai_next)
        left++;
    for (const struct addrinfo *at = found; at && left > 0 && !sink; at = at->ai_next, left--) {
        sink = try_address(search, host, at, share(deadline_ms, left));
        if (!sink && !is_worth_another(search->error))
            break;
    }
    freeaddrinfo(found);
    return sink;
}

static struct pg_sink *try_host(struct search *search, const struct pg_sink_host *host)
{
    if (host->host[0] != '/')
        return try_name(search, host);
    search->was_refused_only = false;
    return connect_to(search->config, host, NULL, share(search->config->deadline_ms, search->hosts_left),
                      search->error);
}

struct pg_sink *pg_sink_open(const struct pg_sink_config *config, struct pg_sink_error *error)
{
    struct search search = {config, error, config->host_count, true};
    struct pg_sink *sink = NULL;

    pg_sink_fail(error, PG_SINK_CONNECT, "no host");
    for (size_t i = 0; i < config->host_count && !sink; i++, search.hosts_left--) {
        if (i > 0 && clock_mono_ms() >= config->deadline_ms)
            break;
        sink = try_host(&search, &config->hosts[i]);
        if (!sink && !is_worth_another(error))
            break;
    }
    if (sink)
        buf_init(&sink->line, (size_t)1 << 30); /* PostgreSQL's ceiling of one field */
    return sink;
}

void pg_sink_close(struct pg_sink *sink)
{
    if (!sink)
        return;
    PQfinish(sink->connection);
    buf_release(&sink->line);
    free(sink);
}
