/*
 * fault - the one table from a class to its exit code and its word, and the text that callers add to.
 * Hard rule: setting a fault cannot fail and allocates nothing; the first cause is never pushed out by
 * context.
 */
#include "fault.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "text.h"

/* text_copy() must see the bytes behind the cut to know whether it splits a sequence. */
enum { TEXT_SIZE = sizeof(((struct fault *)0)->text), WORK_SIZE = TEXT_SIZE + 4 };

static const struct {
    int exit_code;
    const char *name;
} classes[] = {
    [FAULT_NONE] = {0, "none"},       [FAULT_USAGE] = {64, "usage"},
    [FAULT_INPUT] = {65, "input"},    [FAULT_UNAVAILABLE] = {69, "unavailable"},
    [FAULT_BUG] = {70, "bug"},        [FAULT_SYSTEM] = {71, "system"},
    [FAULT_TEMP] = {75, "temporary"}, [FAULT_DENIED] = {77, "denied"},
    [FAULT_CONFIG] = {78, "config"},  [FAULT_CLOSED] = {71, "closed"},
};

/* Libraries end their messages with a newline, or put several lines into one. */
static void make_one_line(char *text)
{
    size_t len = strlen(text);

    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        text[--len] = '\0';
    for (; *text != '\0'; text++) {
        if (*text == '\n' || *text == '\r')
            *text = ' ';
    }
}

static void set(struct fault *fault, enum fault_class class, char work[WORK_SIZE])
{
    make_one_line(work);
    fault->class = class;
    text_copy(fault->text, sizeof(fault->text), work);
}

int fault_set(struct fault *fault, enum fault_class class, const char *format, ...)
{
    char work[WORK_SIZE];
    va_list arguments;

    if (fault == NULL)
        return -1;
    va_start(arguments, format);
    vsnprintf(work, sizeof(work), format, arguments);
    va_end(arguments);
    set(fault, class, work);
    return -1;
}

int fault_wrap(struct fault *fault, const char *format, ...)
{
    char work[WORK_SIZE];
    char context[TEXT_SIZE];
    size_t cause_len, context_len, room;
    va_list arguments;

    if (fault == NULL)
        return -1;
    va_start(arguments, format);
    vsnprintf(work, sizeof(work), format, arguments);
    va_end(arguments);
    make_one_line(work);

    cause_len = strlen(fault->text);
    room = sizeof(fault->text) - cause_len;
    if (room <= 3)
        return -1;
    text_copy(context, room - 2, work);
    context_len = strlen(context);
    memmove(fault->text + context_len + 2, fault->text, cause_len + 1);
    memcpy(fault->text, context, context_len);
    memcpy(fault->text + context_len, ": ", 2);
    return -1;
}

int fault_errno(struct fault *fault, int error, const char *format, ...)
{
    char work[WORK_SIZE];
    char reason[128];
    va_list arguments;

    if (fault == NULL)
        return -1;
    va_start(arguments, format);
    vsnprintf(work, sizeof(work), format, arguments);
    va_end(arguments);
    fault_set(fault, FAULT_SYSTEM, "%s", strerror_r(error, reason, sizeof(reason)));
    return fault_wrap(fault, "%s", work);
}

void fault_clear(struct fault *fault)
{
    if (fault == NULL)
        return;
    fault->class = FAULT_NONE;
    fault->text[0] = '\0';
}

int fault_exit_code(enum fault_class class)
{
    return classes[class].exit_code;
}

const char *fault_class_name(enum fault_class class)
{
    return classes[class].name;
}
