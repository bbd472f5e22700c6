/*
 * dist-webhdfs - a namenode and a datanode for tests, over a folder (tests/servers/namenode.h), until SIGTERM
 *
 * usage: dist-webhdfs FOLDER PORT DATA-PORT PORT-FILE
 *
 * The ports may be 0. The namenode's is written to the file, "PORT DATA-PORT", once both are listened on.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <event2/event.h>
#include "fdio.h"
#include "little_http.h"
#include "namenode.h"

static void on_term(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(arg);
}

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    struct namenode namenode;

    if (argc != 5) {
        fputs("usage: dist-webhdfs FOLDER PORT DATA-PORT PORT-FILE\n", stderr);
        return 64;
    }
    fdio_ignore_sigpipe();
    if (namenode_start(&namenode, base, argv[1], atoi(argv[2]), atoi(argv[3]))) {
        perror("dist-webhdfs");
        return 71;
    }
    FILE *file = fopen(argv[4], "we");
    if (!file || fprintf(file, "%d %d\n", namenode_port(&namenode), little_http_port(namenode.data)) < 0 ||
        fclose(file)) {
        perror(argv[4]);
        return 71;
    }
    struct event *term = evsignal_new(base, SIGTERM, on_term, base);
    event_add(term, NULL);
    event_base_dispatch(base);
    event_free(term);
    namenode_stop(&namenode);
    event_base_free(base);
    return 0;
}
