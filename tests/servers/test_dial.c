/*
 * dial.c against listeners of the test's own, and a resolver that does as the test says.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "clock.h"
#include "dial.h"

static sem_t go_on; /* for the lookup of "hangs.test" */

typedef int (*resolver)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* In libc's place. "two.test" has two addresses, 127.0.0.2 and 127.0.0.1. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    resolver resolve;
    int error;

    *(void **)&resolve = dlsym(RTLD_NEXT, "getaddrinfo");
    if (strcmp(name, "hangs.test") == 0)
        sem_wait(&go_on);
    if (strcmp(name, "missing.test") == 0)
        return EAI_NONAME;
    if (strcmp(name, "two.test") != 0)
        return resolve(strcmp(name, "hangs.test") == 0 ? "127.0.0.1" : name, service, hints, found);
    error = resolve("127.0.0.2", service, hints, found);
    return error ? error : resolve("127.0.0.1", service, hints, &(*found)->ai_next);
}

static int listen_at(const char *address, int *port, int backlog)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    at.sin_addr.s_addr = htonl(strcmp(address, "127.0.0.2") == 0 ? 0x7F000002 : 0x7F000001);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* Takes all the places in the backlog of a listener: whoever comes then is left without an answer. */
static void fill(const char *address, int port, int fds[8])
{
    struct fault fault = {0};

    for (int i = 0; i < 8; i++)
        fds[i] = dial(address, port, clock_mono_ms() + 100, &fault);
    assert_int_equal(fds[7], -1);
}

static void close_all(int fds[8])
{
    for (int i = 0; i < 8; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static int option(int fd, int level, int name)
{
    int value = 0;
    socklen_t size = sizeof value;

    assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

static void a_socket_is_ready_for_its_use(void **state)
{
    struct fault fault = {0};
    int port = 0, listener = listen_at("127.0.0.1", &port, 4);
    int fd = dial("localhost", port, clock_mono_ms() + 5000, &fault);

    (void)state;
    if (fd < 0)
        fail_msg("%s", fault.text);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(option(fd, IPPROTO_TCP, TCP_NODELAY));
    assert_true(option(fd, SOL_SOCKET, SO_KEEPALIVE));
    close(fd);
    close(listener);
    assert_int_equal(dial("127.0.0.1", port, clock_mono_ms() + 5000, &fault), -1);
    assert_int_equal(fault.class, FAULT_UNAVAILABLE);
    assert_string_equal(fault.text, "Connection refused");
}

static void a_name_that_is_not_resolved_in_time_is_given_up(void **state)
{
    struct fault fault = {0};
    int64_t start_ms = clock_mono_ms();

    (void)state;
    assert_int_equal(dial("hangs.test", 1, start_ms + 150, &fault), -1);
    assert_in_range(clock_mono_ms() - start_ms, 145, 1500);
    assert_int_equal(fault.class, FAULT_UNAVAILABLE);
    assert_string_equal(fault.text, "the name was not resolved in time");
    sem_post(&go_on); /* the thread that was left behind ends, and frees what it has */
    assert_int_equal(dial("missing.test", 1, clock_mono_ms() + 5000, &fault), -1);
    assert_int_equal(fault.class, FAULT_UNAVAILABLE);
    assert_string_equal(fault.text, "Name or service not known");
}

static void a_connection_that_is_not_answered_has_a_deadline(void **state)
{
    struct fault fault = {0};
    int fds[8], port = 0, listener = listen_at("127.0.0.1", &port, 0);
    int64_t start_ms;

    (void)state;
    fill("127.0.0.1", port, fds);
    start_ms = clock_mono_ms();
    assert_int_equal(dial("127.0.0.1", port, start_ms + 200, &fault), -1);
    assert_in_range(clock_mono_ms() - start_ms, 195, 1500);
    assert_int_equal(fault.class, FAULT_UNAVAILABLE);
    assert_string_equal(fault.text, "no connection in time");
    close_all(fds);
    close(listener);
}

static void the_guard_sees_each_address(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "::ffff:127.0.0.1", "two.test", "/tmp/socket"};
    const struct guard strict = {0};
    struct fault fault;
    int port = 0, fd = listen_at("127.0.0.1", &port, 8);
    (void)state;

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        fault = (struct fault){0};
        assert_int_equal(dial_guarded(hosts[i], port, &strict, clock_mono_ms() + 5000, &fault), -1);
        assert_int_equal(fault.class, FAULT_DENIED);
        assert_non_null(strstr(fault.text, "the address is refused: "));
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    assert_int_equal(accept(fd, NULL, NULL), -1); /* nobody came */
    assert_int_equal(dial_guarded("missing.test", port, &strict, clock_mono_ms() + 5000, &fault), -1);
    assert_int_equal(fault.class, FAULT_UNAVAILABLE);
    close(fd);
}

static void the_operators_lists_choose_among_the_addresses_of_a_name(void **state)
{
    struct guard_lists *lists = guard_lists_new(NULL);
    const struct guard guard = {false, lists}, open = {true, lists};
    struct fault fault = {0};
    int port = 0, first = listen_at("127.0.0.2", &port, 8), second = listen_at("127.0.0.1", &port, 8), fd;
    char network[40];
    (void)state;

    fcntl(first, F_SETFL, O_NONBLOCK);
    snprintf(network, sizeof network, "127.0.0.1:%d", port);
    assert_int_equal(guard_lists_add(lists, GUARD_ALLOW, network, &fault), 0);
    assert_true((fd = dial_guarded("two.test", port, &guard, clock_mono_ms() + 5000, &fault)) >= 0);
    assert_int_equal(accept(first, NULL, NULL), -1); /* it was passed over */
    close(fd);
    assert_int_equal(guard_lists_add(lists, GUARD_DENY, network, &fault), 0);
    assert_int_equal(dial_guarded("two.test", port, &guard, clock_mono_ms() + 5000, &fault), -1);
    assert_int_equal(fault.class, FAULT_DENIED);
    assert_int_equal(dial_guarded("127.0.0.1", port, &open, clock_mono_ms() + 5000, &fault), -1);
    assert_non_null(strstr(fault.text, "denied by networks.json (127.0.0.1:"));
    assert_true((fd = dial_guarded("two.test", port, &open, clock_mono_ms() + 5000, &fault)) >= 0);
    close(fd);
    guard_lists_unref(lists);
    close(first);
    close(second);
}

static void each_address_of_a_name_has_its_turn(void **state)
{
    struct fault fault = {0};
    int fds[8], port = 0, listener = listen_at("127.0.0.1", &port, 4), dead, fd;

    (void)state;
    fd = dial("two.test", port, clock_mono_ms() + 5000, &fault); /* the first refuses */
    assert_true(fd >= 0);
    close(fd);
    dead = listen_at("127.0.0.2", &port, 0);
    fill("127.0.0.2", port, fds);
    fd = dial("two.test", port, clock_mono_ms() + 600, &fault); /* the first does not answer */
    if (fd < 0)
        fail_msg("%s", fault.text);
    close(fd);
    close_all(fds);
    close(dead);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_is_ready_for_its_use),
        cmocka_unit_test(a_name_that_is_not_resolved_in_time_is_given_up),
        cmocka_unit_test(a_connection_that_is_not_answered_has_a_deadline),
        cmocka_unit_test(each_address_of_a_name_has_its_turn),
        cmocka_unit_test(the_guard_sees_each_address),
        cmocka_unit_test(the_operators_lists_choose_among_the_addresses_of_a_name),
    };

    sem_init(&go_on, 0, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
