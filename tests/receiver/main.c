/*
 * dist-receiver - an HTTP/1.1 destination for tests, that misbehaves on demand and remembers every request
 *
 * It listens on 127.0.0.1 and takes its behaviour from the path of the URL, so one running receiver serves
 * every test: /status/503, /delay/200/json, /fail/2/429/retry-after/1/then/200. behaviour.c has the list,
 * record.h the form of the record, control.h the questions that a test can ask; --help prints all of it.
 *
 * evhttp is not used on purpose: it does not let a server break the protocol.
 */
#include "behaviour.h"
#include "conn.h"
#include "record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>

struct options {
    uint16_t port;
    const char *port_file;
    const char *record;
    const char *bodies;
    bool quiet;
};

static void usage(FILE *out)
{
    fputs("usage: dist-receiver [--port N] [--port-file FILE] [--record FILE] [--bodies DIR] [--quiet]\n",
          out);
}

static void help(void)
{
    usage(stdout);
    printf("\n"
           "  --port N          listen on 127.0.0.1:N (default 0: any free port)\n"
           "  --port-file FILE  write the port there once it listens\n"
           "  --record FILE     append each request to it, one JSON object a line\n"
           "  --bodies DIR      save each body as DIR/SEQ.body\n"
           "  --quiet           no line per request on stderr\n"
           "\n%s\n"
           "Questions, on the same port (not recorded):\n"
           "  GET /_/ping                              pong\n"
           "  GET /_/count?path=PREFIX                 number of requests whose path begins so\n"
           "  GET /_/distinct?header=NAME&path=PREFIX  number of distinct values of that header\n"
           "  GET /_/requests?path=PREFIX              their records\n"
           "  POST /_/reset                            forget everything\n",
           behaviour_help());
}

static int parse_port(const char *text, uint16_t *port)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value > UINT16_MAX)
        return -1;
    *port = (uint16_t)value;
    return 0;
}

/* -1 for a usage error; 1 when all is said and done. */
static int options_parse(struct options *options, int argc, char **argv)
{
    static const struct option names[] = {
        {"port", required_argument, NULL, 'p'},
        {"port-file", required_argument, NULL, 'f'},
        {"record", required_argument, NULL, 'r'},
        {"bodies", required_argument, NULL, 'b'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        switch (option) {
        case 'p':
            if (parse_port(optarg, &options->port) < 0) {
                fprintf(stderr, "dist-receiver: --port: '%s' is not a port\n", optarg);
                return -1;
            }
            break;
        case 'f':
            options->port_file = optarg;
            break;
        case 'r':
            options->record = optarg;
            break;
        case 'b':
            options->bodies = optarg;
            break;
        case 'q':
            options->quiet = true;
            break;
        case 'h':
            help();
            return 1;
        default:
            return -1;
        }
    }
    return optind == argc ? 0 : -1;
}

/* A test may keep thousands of connections hanging. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        perror("dist-receiver: RLIMIT_NOFILE");
}

/* Whoever waits for the file must never read half of it: it appears by rename. */
static int write_port_file(const char *path, uint16_t port)
{
    char *fresh = NULL;
    int result = -1;

    if (asprintf(&fresh, "%s.%ld", path, (long)getpid()) < 0)
        return -1;
    FILE *file = fopen(fresh, "we");
    if (!file)
        goto out;
    int printed = fprintf(file, "%u\n", port);
    if (fclose(file) == 0 && printed > 0)
        result = rename(fresh, path);
out:
    if (result < 0)
        fprintf(stderr, "dist-receiver: %s: %s\n", path, strerror(errno));
    free(fresh);
    return result;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int size,
                      void *context)
{
    (void)listener;
    (void)peer;
    (void)size;
    conn_accept(context, fd);
}

/* The port it really listens on in *port. */
static struct evconnlistener *listen_on(struct receiver *receiver, uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
    socklen_t size = sizeof address;
    struct evconnlistener *listener;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = evconnlistener_new_bind(receiver->base, on_accept, receiver,
                                       LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                       SOMAXCONN, (struct sockaddr *)&address, sizeof address);
    if (!listener || getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &size) < 0) {
        fprintf(stderr, "dist-receiver: 127.0.0.1:%u: %s\n", *port, strerror(errno));
        if (listener)
            evconnlistener_free(listener);
        return NULL;
    }
    *port = ntohs(address.sin_port);
    return listener;
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
    (void)number;
    (void)what;
    event_base_loopbreak(context);
}

static int serve(struct receiver *receiver, const struct options *options)
{
    uint16_t port = options->port;
    struct event *term = evsignal_new(receiver->base, SIGTERM, on_signal, receiver->base);
    struct event *interrupt = evsignal_new(receiver->base, SIGINT, on_signal, receiver->base);
    struct evconnlistener *listener = listen_on(receiver, &port);
    int result = -1;

    if (!listener || !term || !interrupt || event_add(term, NULL) < 0 || event_add(interrupt, NULL) < 0)
        goto out;
    if (options->port_file && write_port_file(options->port_file, port) < 0)
        goto out;
    if (!options->quiet)
        fprintf(stderr, "dist-receiver: listening on http://127.0.0.1:%u\n", port);
    result = event_base_dispatch(receiver->base) < 0 ? -1 : 0;
out:
    if (listener)
        evconnlistener_free(listener);
    if (term)
        event_free(term);
    if (interrupt)
        event_free(interrupt);
    return result;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    int parsed = options_parse(&options, argc, argv);
    if (parsed != 0) {
        if (parsed < 0)
            usage(stderr);
        return parsed < 0 ? 64 : 0;
    }
    raise_file_limit();
    signal(SIGPIPE, SIG_IGN);

    struct receiver receiver = {.base = event_base_new(), .quiet = options.quiet};
    receiver.record = record_open(options.record, options.bodies);
    int result = -1;
    if (receiver.base && receiver.record)
        result = serve(&receiver, &options);
    conn_free_all(&receiver);
    tallies_release(&receiver.tallies);
    record_free(receiver.record);
    if (receiver.base)
        event_base_free(receiver.base);
    libevent_global_shutdown();
    return result < 0 ? 71 : 0;
}
