/*
 * once - see once.h
 */
#include "once.h"

#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "period.h"
#include "status.h"
#include "xalloc.h"

static int compare(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Of the names in order, each with its NUL, which no name has. */
static void digest_names(const json_t *destinations, char hex[DIGEST_TEXT_SIZE])
{
    size_t count = json_array_size(destinations), size = 0, at = 0;
    const char **names = xcalloc(count, sizeof *names);
    char *text;

    for (size_t i = 0; i < count; i++) {
        names[i] = json_string_value(json_object_get(json_array_get(destinations, i), "name"));
        size += strlen(names[i]) + 1;
    }
    qsort(names, count, sizeof *names, compare);
    text = xmalloc(size + 1);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(names[i]) + 1;

        memcpy(text + at, names[i], length);
        at += length;
    }
    digest_sha256(text, size, hex);
    free(text);
    free(names);
}

void once_key(struct job *job, int64_t now_us)
{
    char label[PERIOD_LABEL_SIZE], hex[DIGEST_TEXT_SIZE];
    int period = job->once_per ? status_index(period_names, job->once_per) : -1;

    if (period < 0 || job->idempotency_key)
        return;
    digest_names(job->destinations, hex);
    job->idempotency_key = xasprintf("once-per-%s:%s:%s:%.32s", job->once_per,
                                     period_label((enum period)period, now_us, label), job->data_type, hex);
}

int64_t once_reach_ms(const struct job *job)
{
    int period = job->once_per ? status_index(period_names, job->once_per) : -1;

    return period < 0 ? 0 : period_reach_ms((enum period)period);
}
