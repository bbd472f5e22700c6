/*
 * notify - states and signs of life for systemd, or for whoever speaks its protocol
 */
#include "notify.h"
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <systemd/sd-daemon.h>
#include "text.h"

enum { STATUS_SIZE = 256 };

/* sd_notify() unsets nothing (its first argument): a service says more than one thing in its life. */

void notify_ready(void)
{
    (void)sd_notify(0, "READY=1");
}

void notify_reloading(void)
{
    struct timespec now;

    /* Type=notify-reload tells this reload from an earlier one by the time. */
    clock_gettime(CLOCK_MONOTONIC, &now);
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
                     (long long)now.tv_sec * 1000000 + (long long)now.tv_nsec / 1000);
}

void notify_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1");
}

void notify_status(const char *format, ...)
{
    char text[STATUS_SIZE], line[STATUS_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    /* The protocol is lines of KEY=VALUE: a newline in the text would be an assignment of its author's. */
    text_copy(line, sizeof(line), text_printable(text));
    (void)sd_notifyf(0, "STATUS=%s", line);
}

int64_t notify_watchdog_ms(void)
{
    uint64_t usec = 0;

    if (sd_watchdog_enabled(0, &usec) <= 0)
        return 0;
    /* A half, as sd_watchdog_enabled(3) advises; never the 0 that means "no watchdog". */
    return usec >= 2000 ? (int64_t)(usec / 2000) : 1;
}

void notify_alive(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}
