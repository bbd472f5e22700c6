/*
 * clock - the two clocks, and RFC 3339 (section 5.6), whose grammar strptime() does not hold to.
 * Hard rule: every time that clock_parse() takes, clock_format() can write.
 */
#include "clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t second_us = 1000000;
static const int64_t latest_us = INT64_C(253402300799999999); /* 9999-12-31T23:59:59.999999Z */

int64_t clock_wall_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * second_us + now.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * second_us + now.tv_nsec / 1000;
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

const char *clock_format(int64_t wall_us, char text[CLOCK_TEXT_SIZE])
{
    struct tm parts;
    time_t seconds;
    size_t len;
    int ms;

    if (wall_us < 0)
        wall_us = 0;
    if (wall_us > latest_us)
        wall_us = latest_us;
    seconds = (time_t)(wall_us / second_us);
    ms = (int)(wall_us % second_us / 1000);
    gmtime_r(&seconds, &parts);
    len = strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    if (ms > 0)
        snprintf(text + len, CLOCK_TEXT_SIZE - len, ".%03dZ", ms);
    else
        snprintf(text + len, CLOCK_TEXT_SIZE - len, "Z");
    return text;
}

/* Exactly `count` digits at *text as a number, *text moved behind them; -1 where they are not all there. */
static int digits(const char **text, int count)
{
    int value = 0;

    for (; count > 0; count--, ++*text) {
        if (**text < '0' || **text > '9')
            return -1;
        value = value * 10 + (**text - '0');
    }
    return value;
}

static bool skip(const char **text, char wanted)
{
    if (**text != wanted)
        return false;
    ++*text;
    return true;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* ".123": true with *us where it is absent or right */
static bool fraction(const char **text, int64_t *us)
{
    int64_t unit = second_us / 10;

    *us = 0;
    if (!skip(text, '.'))
        return true;
    if (**text < '0' || **text > '9')
        return false;
    for (; **text >= '0' && **text <= '9'; ++*text, unit /= 10)
        *us += (**text - '0') * unit;
    return true;
}

/* "Z" or "+01:00", to the end of the text */
static bool offset(const char *text, int *seconds)
{
    int hours, minutes, sign;

    *seconds = 0;
    if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return true;
    if (*text != '+' && *text != '-')
        return false;
    sign = *text++ == '-' ? -1 : 1;
    hours = digits(&text, 2);
    if (hours < 0 || hours > 23 || !skip(&text, ':'))
        return false;
    minutes = digits(&text, 2);
    if (minutes < 0 || minutes > 59 || *text != '\0')
        return false;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return true;
}

int clock_parse(const char *text, int64_t *wall_us, struct fault *fault)
{
    const char *at = text;
    struct tm parts = {0};
    int year, month, offset_seconds;
    int64_t us, time_us;

    if ((year = digits(&at, 4)) < 0 || !skip(&at, '-') || (month = digits(&at, 2)) < 0 || !skip(&at, '-') ||
        (parts.tm_mday = digits(&at, 2)) < 0 || (!skip(&at, 'T') && !skip(&at, 't')) ||
        (parts.tm_hour = digits(&at, 2)) < 0 || !skip(&at, ':') || (parts.tm_min = digits(&at, 2)) < 0 ||
        !skip(&at, ':') || (parts.tm_sec = digits(&at, 2)) < 0 || !fraction(&at, &us) ||
        !offset(at, &offset_seconds))
        return fault_set(fault, FAULT_INPUT, "'%.80s' is not a time such as 2024-01-15T10:00:00Z", text);
    if (month < 1 || month > 12 || parts.tm_mday < 1 || parts.tm_mday > days_of_month(year, month) ||
        parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60)
        return fault_set(fault, FAULT_INPUT, "'%.80s' is a time that does not exist", text);
    if (parts.tm_sec == 60)
        return fault_set(fault, FAULT_INPUT, "'%.80s' is a leap second, which is not taken", text);
    parts.tm_year = year - 1900;
    parts.tm_mon = month - 1;
    time_us = ((int64_t)timegm(&parts) - offset_seconds) * second_us + us;
    if (time_us <= 0 || time_us > latest_us)
        return fault_set(fault, FAULT_INPUT,
                         "'%.80s' is not behind 1970-01-01T00:00:00Z and in the years to 9999", text);
    *wall_us = time_us;
    return 0;
}
