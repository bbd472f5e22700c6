/*
 * period - see period.h
 */
#include "period.h"

#include <time.h>

const char *const period_names[PERIOD_COUNT + 1] = {"hour", "day", "week", "month", NULL};

static const int64_t reach_hours[PERIOD_COUNT] = {
    [PERIOD_HOUR] = 2,
    [PERIOD_DAY] = 26,
    [PERIOD_WEEK] = 8 * 24,
    [PERIOD_MONTH] = 32 * 24,
};

static size_t write_label(enum period period, const struct tm *local, char text[PERIOD_LABEL_SIZE])
{
    switch (period) {
    case PERIOD_HOUR:
        return strftime(text, PERIOD_LABEL_SIZE, "%Y-%m-%dT%H%z", local);
    case PERIOD_DAY:
        return strftime(text, PERIOD_LABEL_SIZE, "%Y-%m-%d", local);
    case PERIOD_WEEK:
        return strftime(text, PERIOD_LABEL_SIZE, "%G-W%V", local);
    case PERIOD_MONTH:
    case PERIOD_COUNT:
        break;
    }
    return strftime(text, PERIOD_LABEL_SIZE, "%Y-%m", local);
}

const char *period_label(enum period period, int64_t wall_us, char text[PERIOD_LABEL_SIZE])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm local;

    tzset();
    if (!localtime_r(&seconds, &local) || !write_label(period, &local, text))
        snprintf(text, PERIOD_LABEL_SIZE, "%lld", (long long)seconds); /* a year beyond an int */
    return text;
}

int64_t period_reach_ms(enum period period)
{
    return reach_hours[period] * 3600 * 1000;
}
