/*
 * deliver_pipe - see deliver_pipe.h
 */
#include "deliver_pipe.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "clock.h"
#include "envelope.h"
#include "fdio.h"
#include "heap.h"
#include "ceilings.h"
#include "msg.h"
#include "strmap.h"
#include "tool.h"
#include "xalloc.h"

enum {
    HELD_DELIVERIES = 10000,        /* in flight and waiting together */
    HELD_BYTES = 256 * 1024 * 1024, /* of their bodies */
    LINES_PER_TURN = 100,           /* read before the loop turns again */
};

/* A delivery that has been read and has not ended. */
struct held {
    struct run *run;
    struct delivery *delivery;
    struct deliver_attempt *attempt; /* NULL while it waits */
    struct held *next, *previous;    /* of all that are held */
    size_t bytes;                    /* of its line: what it takes in memory, more or less */
};

/* Those who wait for room at one destination. */
struct crowd {
    struct heap heap; /* struct held * by arrival */
    size_t concurrency;
};

struct run {
    struct deliver_pipe *pipe;
    struct line_reader reader;
    struct event *input, *timer, *terminate, *interrupt;
    struct heap waiting;  /* struct held * by clock_mono_ms() of its next attempt */
    struct strmap crowds; /* key of a destination without room -> struct crowd * */
    int64_t arrivals;
    struct held *first;
    size_t held_count, held_bytes;
    uint64_t rejected, failed;
    bool eof, stopping, broken;
    int64_t stop_at_ms;
    struct fault *fault;
};

static bool has_room(const struct run *run)
{
    return gate_room(&run->pipe->stage->gate) > 0 && run->held_count < HELD_DELIVERIES &&
           run->held_bytes < HELD_BYTES;
}

/* Takes descriptors and timers out of the loop where nothing is to come of them. */
static void rearm(struct run *run)
{
    int64_t due_ms;

    if (run->eof || run->stopping || run->broken || !has_room(run))
        event_del(run->input);
    else if (line_reader_has_line(&run->reader))
        event_active(run->input, EV_READ, 0);
    else
        event_add(run->input, NULL);
    bool any = gate_room(&run->pipe->stage->gate) && heap_peek(&run->waiting, &due_ms);
    if (run->stopping && (!any || run->stop_at_ms < due_ms)) {
        any = true;
        due_ms = run->stop_at_ms;
    }
    if (any) {
        int64_t in_ms = due_ms - clock_mono_ms();
        in_ms = in_ms > 0 ? in_ms : 0;
        struct timeval time = {.tv_sec = in_ms / 1000, .tv_usec = in_ms % 1000 * 1000};
        event_add(run->timer, &time);
    } else {
        event_del(run->timer);
    }
    if (run->broken || (!run->held_count && (run->eof || run->stopping)))
        event_base_loopbreak(run->pipe->stage->base);
}

static void let_go(struct held *held)
{
    struct run *run = held->run;

    run->held_count--;
    run->held_bytes -= held->bytes;
    if (held->previous)
        held->previous->next = held->next;
    else
        run->first = held->next;
    if (held->next)
        held->next->previous = held->previous;
    delivery_free(held->delivery);
    free(held);
}

static int compose_result(const void *what, struct buf *out, struct fault *fault)
{
    return envelope_write_result(what, out, fault);
}

static int compose_delivery(const void *what, struct buf *out, struct fault *fault)
{
    return envelope_write_delivery(what, out, fault);
}

/* What cannot be composed is one record's trouble; what cannot be written is everybody's. */
static int compose_line(struct run *run, int (*compose)(const void *what, struct buf *, struct fault *),
                        const void *what, struct buf *line)
{
    struct fault problem = {0};

    buf_init(line, run->pipe->max_delivery);
    if (compose(what, line, &problem) == 0)
        return 0;
    msg(MSG_ERROR, "%s", problem.text);
    buf_release(line);
    return -1;
}

static int write_line(struct run *run, int fd, struct buf *line)
{
    int result = fdio_write_all(fd, line->data, line->len, run->fault);
    buf_release(line);
    if (result < 0)
        run->broken = true;
    return result;
}

/* A line that did not fit on the disk is taken back: half a line would spoil the next one. */
static void write_dead_letter(struct run *run, const struct delivery *delivery)
{
    int fd = run->pipe->dead_letters;
    off_t end = lseek(fd, 0, SEEK_END); /* -1: a pipe */
    struct buf line;

    if (compose_line(run, compose_delivery, delivery, &line) < 0)
        return;
    if (write_line(run, fd, &line) < 0) {
        if (end >= 0 && ftruncate(fd, end) < 0)
            msg(MSG_WARNING, "the dead letter file ends in half a line");
    } else if (end >= 0 && fdatasync(fd) < 0) {
        msg(MSG_WARNING, "the dead letter file cannot be synced: it may be lost with the power");
    }
}

struct result deliver_pipe_result(const struct delivery *delivery, const struct settlement *settlement)
{
    const struct job *job = delivery->job;
    struct result result = {
        .distribution_id = job->distribution_id,
        .delivery_id = (char *)delivery->id,
        .tenant_id = job->tenant_id,
        .data_type = job->data_type,
        .target = delivery->target,
        .destination = settlement && settlement->destination ? settlement->destination
                                                             : (char *)delivery_candidate(delivery),
        .status = delivery->status,
        .dead_reason = delivery->dead_reason,
        .attempts = delivery->attempts,
        .error = delivery->last_error,
    };
    if (settlement && settlement->number) {
        result.response_code = settlement->code;
        result.started_at_us = settlement->started_at_us;
        result.completed_at_us = settlement->completed_at_us;
        result.latency_ms = (settlement->completed_at_us - settlement->started_at_us) / 1000;
    }
    return result;
}

/* The delivery has ended, or is left as it is because the run stops. */
static void print(struct run *run, const struct delivery *delivery, const struct settlement *settlement)
{
    struct result result = deliver_pipe_result(delivery, settlement);
    struct buf line;

    if (delivery->status != DELIVERY_DELIVERED)
        run->failed++;
    if (delivery->status == DELIVERY_DEAD && run->pipe->dead_letters >= 0)
        write_dead_letter(run, delivery); /* before anybody hears of it */
    if (compose_line(run, compose_result, &result, &line) == 0)
        write_line(run, STDOUT_FILENO, &line);
}

static void call_crowd(struct run *run, const char *key);

static void on_done(void *arg, struct settlement *settlement, const struct deliver_report *report)
{
    struct held *held = arg;
    struct run *run = held->run;
    struct delivery *delivery = held->delivery;
    char *key = delivery_destination_key(delivery); /* of the attempt that ended */
    (void)report;

    held->attempt = NULL;
    free(delivery->last_error);
    delivery->last_error = xstrdup_null(settlement->error);
    delivery->status = settlement->verdict.status;
    delivery->dead_reason = settlement->verdict.reason;
    if (settlement->number) {
        delivery->attempts = settlement->number;
    } else if (delivery->status == DELIVERY_WAITING &&
               settlement->kind == OUTCOME_REJECTED) { /* not in this run */
        delivery->status = DELIVERY_DEAD;
        delivery->dead_reason = settlement->verdict.reason;
    }
    if (delivery->status == DELIVERY_DEAD)
        delivery_drop_outputs(delivery); /* a replay makes new ones */
    if (delivery->status == DELIVERY_WAITING) {
        heap_push(&run->waiting, clock_mono_ms() + settlement->verdict.delay_ms, held);
    } else {
        print(run, delivery, settlement);
        let_go(held);
    }
    settlement_release(settlement);
    if (!run->stopping)
        call_crowd(run, key);
    free(key);
    rearm(run);
}

static void join_crowd(struct run *run, const char *key, size_t concurrency, struct held *held)
{
    struct crowd *crowd = strmap_get(&run->crowds, key);

    if (!crowd) {
        crowd = xcalloc(1, sizeof *crowd);
        heap_init(&crowd->heap);
        strmap_put(&run->crowds, key, crowd);
    }
    crowd->concurrency = concurrency;
    heap_push(&crowd->heap, run->arrivals++, held);
}

/* Begins the next attempt; or it waits for one of those that are in flight, where the destination has as many
 * as it may, or for the next slot of its rate. */
static void start(struct held *held)
{
    struct deliver_stage *stage = held->run->pipe->stage;
    struct destination *destination = deliver_stage_destination(stage, held->delivery, NULL);
    size_t concurrency = destination ? (size_t)destination->concurrency : 0;
    char *key = delivery_destination_key(held->delivery);
    int64_t wait_ms = 0;

    if (destination && destination->rate_per_s > 0 && gate_destination_room(&stage->gate, key, concurrency))
        wait_ms = gate_pace_ms(&stage->gate, key, concurrency, destination->rate_per_s, clock_mono_us());
    if (destination && !gate_destination_room(&stage->gate, key, concurrency))
        join_crowd(held->run, key, concurrency, held);
    else if (wait_ms)
        heap_push(&held->run->waiting, clock_mono_ms() + wait_ms, held);
    else
        held->attempt = deliver_stage_start(stage, held->delivery, on_done, held);
    free(key);
    destination_unref(destination);
}

static void crowd_free(void *value)
{
    struct crowd *crowd = value;
    heap_release(&crowd->heap);
    free(crowd);
}

/* An attempt has ended: there may be room for more to that destination. */
static void call_crowd(struct run *run, const char *key)
{
    const struct gate *gate = &run->pipe->stage->gate;
    struct crowd *crowd = strmap_get(&run->crowds, key);

    while (crowd && crowd->heap.count && gate_room(gate) &&
           gate_destination_room(gate, key, crowd->concurrency))
        start(heap_pop(&crowd->heap));
    if (crowd && !crowd->heap.count)
        crowd_free(strmap_remove(&run->crowds, key));
}

static void reject(struct run *run, const char *text)
{
    msg(MSG_ERROR, "stdin:%llu: %s", (unsigned long long)run->reader.number, text);
    run->rejected++;
}

static void take(struct run *run, char *line, size_t size)
{
    struct fault problem = {0};
    struct delivery *delivery;

    if (!size)
        return;
    if (envelope_read_delivery(line, size, run->pipe->max_payload, &delivery, &problem) < 0) {
        reject(run, problem.text);
        return;
    }
    if (delivery_status_is_final(delivery->status)) { /* an earlier stage ended it */
        print(run, delivery, NULL);
        delivery_free(delivery);
        return;
    }
    struct held *held = xcalloc(1, sizeof *held);
    *held = (struct held){.run = run, .delivery = delivery, .next = run->first, .bytes = size};
    if (run->first)
        run->first->previous = held;
    run->first = held;
    run->held_count++;
    run->held_bytes += size;
    start(held);
}

static void on_input(evutil_socket_t fd, short events, void *arg)
{
    struct run *run = arg;
    char text[100];
    char *line;
    size_t size;
    (void)fd;
    (void)events;

    for (int i = 0; i < LINES_PER_TURN && has_room(run) && !run->eof && !run->broken; i++) {
        if (i && !line_reader_has_line(&run->reader))
            break; /* one read(2) per turn: a second one might block */
        enum line_status status = line_reader_next(&run->reader, &line, &size, run->fault);
        if (status == LINE_WAIT)
            break;
        if (status == LINE_OK)
            take(run, line, size);
        run->eof = status == LINE_END;
        run->broken = run->broken || status == LINE_FAULT;
        if (status == LINE_TOO_LONG) {
            snprintf(text, sizeof text, "a line of %llu bytes is longer than the limit of %zu",
                     (unsigned long long)run->reader.line_size, run->reader.max_line);
            reject(run, text);
        }
    }
    rearm(run);
}

/* Retries that are due; after the stop's deadline, the end of everything. */
static void on_timer(evutil_socket_t fd, short events, void *arg)
{
    struct run *run = arg;
    int64_t now_ms = clock_mono_ms();
    int64_t due_ms;
    (void)fd;
    (void)events;

    while (!run->stopping && heap_peek(&run->waiting, &due_ms) && due_ms <= now_ms &&
           gate_room(&run->pipe->stage->gate))
        start(heap_pop(&run->waiting));
    if (run->stopping && now_ms >= run->stop_at_ms)
        event_base_loopbreak(run->pipe->stage->base);
    else
        rearm(run);
}

static void give_up(struct run *run, struct heap *heap)
{
    struct held *held;
    while ((held = heap_pop(heap)) != NULL) {
        print(run, held->delivery, NULL);
        let_go(held);
    }
}

static void give_up_crowd(const char *key, void *value, void *arg)
{
    struct crowd *crowd = value;
    (void)key;
    give_up(arg, &crowd->heap);
}

static void give_up_waiting(struct run *run)
{
    give_up(run, &run->waiting);
    strmap_each(&run->crowds, give_up_crowd, run);
}

static void on_stop(evutil_socket_t fd, short events, void *arg)
{
    struct run *run = arg;
    (void)fd;
    (void)events;
    if (run->stopping)
        return;
    run->stopping = true;
    run->stop_at_ms = clock_mono_ms() + run->pipe->stop_timeout_ms;
    give_up_waiting(run);
    rearm(run);
}

static int set_up(struct run *run)
{
    struct event_base *base = run->pipe->stage->base;

    run->input = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, run);
    run->timer = evtimer_new(base, on_timer, run);
    run->terminate = evsignal_new(base, SIGTERM, on_stop, run);
    run->interrupt = evsignal_new(base, SIGINT, on_stop, run);
    if (!run->input || !run->timer || !run->terminate || !run->interrupt ||
        event_add(run->terminate, NULL) < 0 || event_add(run->interrupt, NULL) < 0)
        return fault_set(run->fault, FAULT_SYSTEM, "cannot set up the event loop");
    return 0;
}

static void tear_down(struct run *run)
{
    struct event *events[] = {run->input, run->timer, run->terminate, run->interrupt};

    give_up_waiting(run);
    for (struct held *held = run->first, *next; held; held = next) { /* in flight at the stop's deadline */
        next = held->next;
        if (held->attempt)
            deliver_stage_cancel(held->attempt);
        held->delivery->status = DELIVERY_WAITING;
        print(run, held->delivery, NULL);
        let_go(held);
    }
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (events[i])
            event_free(events[i]);
    heap_release(&run->waiting);
    strmap_release(&run->crowds, crowd_free);
    line_reader_release(&run->reader);
}

int deliver_pipe_dead_letters(const char *path, struct fault *fault)
{
    int fd = fdio_open(path, O_RDWR | O_CREAT | O_APPEND, 0640, fault);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    char last = '\n';

    if (end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n' &&
        fdio_write_all(fd, "\n", 1, fault) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int deliver_pipe_run(struct deliver_pipe *pipe, struct fault *fault)
{
    struct run run = {.pipe = pipe, .fault = fault};
    int result = -1;

    line_reader_init(&run.reader, STDIN_FILENO, pipe->max_delivery);
    run.reader.eager = true;
    heap_init(&run.waiting);
    strmap_init(&run.crowds);
    if (set_up(&run) == 0) {
        rearm(&run);
        result = event_base_dispatch(pipe->stage->base) < 0
                     ? fault_set(fault, FAULT_SYSTEM, "the event loop failed")
                     : 0;
    }
    tear_down(&run);
    if (run.broken || result < 0)
        return -1;
    if (run.stopping && !run.eof)
        return fault_exit_code(FAULT_TEMP);
    return run.failed || run.rejected ? EXIT_REJECTED : 0;
}
