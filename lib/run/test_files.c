/*
 * test_files - see test_files.h
 */
#include "test_files.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ceilings.h"
#include "config_files.h"
#include "fdio.h"
#include "json.h"
#include "xalloc.h"

typedef int each_function(void *arg, const json_t *test, const char *place, const struct fault *why);

static int each_of_array(const char *file, const struct buf *text, each_function *each, void *arg,
                         struct fault *fault)
{
    json_t *array = json_read(text->data, text->len, fault), *test;
    size_t index;
    int result = 0;

    if (!array)
        return fault_wrap(fault, "%s", file);
    json_array_foreach (array, index, test) {
        char *place = xasprintf("%s: /%zu", file, index);

        result = each(arg, test, place, NULL);
        free(place);
        if (result)
            break;
    }
    json_decref(array);
    return result;
}

static int each_line(const char *file, const struct buf *text, each_function *each, void *arg)
{
    size_t number = 0;
    int result = 0;

    for (size_t at = 0, size; result == 0 && at < text->len; at += size + 1) {
        const char *line = text->data + at, *end = memchr(line, '\n', text->len - at);
        struct fault why = {0};

        size = end ? (size_t)(end - line) : text->len - at;
        number++;
        if (strspn(line, " \t\r") >= size)
            continue;
        char *place = xasprintf("%s:%zu", file, number);
        json_t *test = json_read(line, size, &why);
        result = each(arg, test, place, &why);
        json_decref(test);
        free(place);
    }
    return result;
}

int test_files_each(const char *path, each_function *each, void *arg, struct fault *fault)
{
    const bool from_stdin = strcmp(path, "-") == 0;
    const char *file = from_stdin ? "stdin" : path;
    struct buf text;
    int result;

    buf_init(&text, LIMIT_CONFIG_FILE);
    if (from_stdin && fdio_read_all(STDIN_FILENO, &text, fault) < 0)
        result = fault_wrap(fault, "stdin");
    else
        result = from_stdin ? 0 : config_file_read(path, &text, fault);
    if (result == 0)
        result = text.data[strspn(text.data, " \t\r\n")] == '[' ? each_of_array(file, &text, each, arg, fault)
                                                                : each_line(file, &text, each, arg);
    buf_release(&text);
    return result;
}
