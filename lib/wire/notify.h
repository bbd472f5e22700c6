/*
 * notify - the supervisor: sd_notify(3)
 *
 * All are no-ops where NOTIFY_SOCKET is not set. A supervisor that cannot be reached is no fault of the
 * service, so nothing is reported. A message is one datagram; sending does not block.
 */
#ifndef DIST_NOTIFY_H
#define DIST_NOTIFY_H

#include <stdint.h>

void notify_ready(void);     /* started, or reloaded: the end of notify_reloading() */
void notify_reloading(void); /* must be followed by notify_ready() */
void notify_stopping(void);
/* One line for `systemctl status`, cut at 255 bytes; control characters become '?'. */
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* How often to call notify_alive(), in milliseconds: half of the watchdog's time (WatchdogSec=); 0: no
 * watchdog. */
int64_t notify_watchdog_ms(void);
void notify_alive(void);

#endif
