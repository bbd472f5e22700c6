/*
 * service - see service.h
 */
#include "catalog.h"
#include "service.h"

#include <signal.h>
#include <time.h>

#include "clock.h"
#include "msg.h"
#include "notify.h"

static volatile sig_atomic_t stop_flag, reload_flag;

static void on_stop(int signal_number)
{
    (void)signal_number;
    stop_flag = 1;
}

static void on_reload(int signal_number)
{
    (void)signal_number;
    reload_flag = 1;
}

static int handle(int signal_number, void (*handler)(int), struct fault *fault)
{
    struct sigaction action = {.sa_handler = handler}; /* no SA_RESTART: a waiting call is to return */
    if (sigaction(signal_number, &action, NULL) < 0)
        return fault_set(fault, FAULT_SYSTEM, "cannot handle signal %d", signal_number);
    return 0;
}

/* The destinations and the part, or neither. */
static int load(const struct service *service, struct service_old *out, struct fault *fault)
{
    const struct service_part *part = service->part;

    fault_clear(fault);
    *out = (struct service_old){.catalog = tool_catalog(service->tool, tool_mistake, NULL, fault)};
    if (!out->catalog)
        return -1;
    if (!part)
        return 0;
    out->loaded = part->load(part->arg, service->tool, out->catalog, fault);
    if (out->loaded)
        return 0;
    catalog_free(out->catalog);
    out->catalog = NULL;
    return -1;
}

void service_old_free(const struct service *service, struct service_old *old)
{
    if (service->part && old->loaded)
        service->part->release(old->loaded);
    catalog_free(old->catalog);
    *old = (struct service_old){0};
}

static bool passes(const struct fault *fault)
{
    return fault->class == FAULT_UNAVAILABLE || fault->class == FAULT_TEMP || fault->class == FAULT_SYSTEM;
}

static int load_first(struct service *service, struct service_old *first, struct fault *fault)
{
    int64_t pause_ms;
    int result;

    while ((result = load(service, first, fault)) < 0 && passes(fault) && !stop_flag) {
        if (service_failed(service, fault, &pause_ms) < 0)
            break;
        service_turn(service);
        service_sleep(pause_ms);
    }
    return result < 0 && passes(fault) && stop_flag ? 0 : result;
}

int service_begin(struct service *service, const struct tool *tool, const struct service_part *part,
                  struct fault *fault)
{
    struct service_old first;

    *service = (struct service){.tool = tool, .part = part};
    if (handle(SIGTERM, on_stop, fault) < 0 || handle(SIGINT, on_stop, fault) < 0 ||
        handle(SIGHUP, on_reload, fault) < 0)
        return -1;
    if (load_first(service, &first, fault) < 0)
        return -1;
    service->catalog = first.catalog;
    service->loaded = first.loaded;
    return 0;
}

void service_end(struct service *service)
{
    struct service_old last = {.catalog = service->catalog, .loaded = service->loaded};

    notify_stopping();
    service_old_free(service, &last);
    service->catalog = NULL;
    service->loaded = NULL;
}

bool service_stopping(void)
{
    return stop_flag;
}

void service_turn(struct service *service)
{
    int64_t now_ms = clock_mono_ms();

    if (now_ms < service->alive_at_ms)
        return;
    notify_alive();
    service->alive_at_ms = now_ms + notify_watchdog_ms() / 4;
}

/* True where the configuration is to be read now. */
static bool wants_reload(struct service *service)
{
    const struct service_part *part = service->part;

    if (reload_flag || (service->reload_waits && clock_mono_ms() >= service->reload_at_ms))
        return true;
    return part && part->is_old && part->is_old(part->arg);
}

/* What could not be read for a reason that passes is read again. */
static void reload_failed(struct service *service, const struct fault *fault)
{
    enum { AGAIN_MS = 1000 };
    const char *name = service->part ? service->part->name : NULL;
    bool told = service->reload_waits;

    service->reload_waits = passes(fault);
    service->reload_at_ms = clock_mono_ms() + AGAIN_MS;
    if (!passes(fault))
        msg(MSG_ERROR, "%s: the destinations%s%s in force stay", fault->text, name ? " and " : "",
            name ? name : "");
    else if (!told)
        msg(MSG_WARNING, "%s: the configuration is read again until it works", fault->text);
}

bool service_reload(struct service *service, struct service_old *old)
{
    struct fault fault = {0};
    struct service_old fresh;
    const char *name = service->part ? service->part->name : NULL;

    if (!wants_reload(service))
        return false;
    reload_flag = 0;
    notify_reloading();
    int result = load(service, &fresh, &fault);
    notify_ready();
    if (result < 0) {
        reload_failed(service, &fault);
        return false;
    }
    service->reload_waits = false;
    msg(MSG_INFO, "the destinations%s%s have been read again", name ? " and " : "", name ? name : "");
    *old = (struct service_old){.catalog = service->catalog, .loaded = service->loaded};
    service->catalog = fresh.catalog;
    service->loaded = fresh.loaded;
    return true;
}

void service_good(struct service *service)
{
    if (service->failures)
        msg(MSG_INFO, "it works again");
    service->failures = 0;
    if (!service->ready) {
        service->ready = true;
        notify_ready();
        msg(MSG_INFO, "ready");
    }
}

int service_failed(struct service *service, const struct fault *fault, int64_t *pause_ms)
{
    enum { FIRST_MS = 50, LONGEST_MS = 2000 };
    bool passing = fault->class == FAULT_UNAVAILABLE || fault->class == FAULT_TEMP;

    if (!passing && !service->ready)
        return -1;
    if (!service->failures)
        msg(passing ? MSG_WARNING : MSG_ERROR, "%s; trying again until it works", fault->text);
    notify_status("waiting: %s", fault->text);
    int64_t pause = service->failures < 6 ? FIRST_MS << service->failures : LONGEST_MS;
    *pause_ms = pause < LONGEST_MS ? pause : LONGEST_MS;
    service->failures++;
    return 0;
}

void service_sleep(int64_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    if (!stop_flag)
        nanosleep(&time, NULL);
}
