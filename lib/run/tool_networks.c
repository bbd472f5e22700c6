/*
 * tool_networks - networks.json of the configuration: what the address guard is told for each tenant
 */
#include "tool.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ceilings.h"
#include "config_files.h"
#include "networks.h"
#include "xalloc.h"

struct reading {
    const char *path;
    void (*mistake)(void *arg, const char *text);
    void *arg;
};

static void note(void *arg, const char *text)
{
    const struct reading *reading = arg;
    char *line = xasprintf("%s: %s", reading->path, text);

    reading->mistake(reading->arg, line);
    free(line);
}

static size_t read_file(const struct reading *reading, struct catalog *catalog)
{
    struct fault fault = {0};
    size_t mistakes = 0;
    struct buf text;

    buf_init(&text, LIMIT_CONFIG_FILE);
    if (config_file_read(reading->path, &text, &fault) < 0) {
        reading->mistake(reading->arg, fault.text);
        mistakes = 1;
    } else {
        catalog->networks = (struct catalog_networks){
            networks_read(text.data, text.len, note, (void *)reading, &mistakes), networks_free};
    }
    buf_release(&text);
    return mistakes;
}

size_t tool_networks(const struct tool *tool, struct catalog *catalog,
                     void (*mistake)(void *arg, const char *text), void *arg)
{
    char *path = xasprintf("%s/networks.json", conf_dir(tool->conf));
    const struct reading reading = {path, mistake, arg};
    size_t mistakes = access(path, F_OK) < 0 && errno == ENOENT ? 0 : read_file(&reading, catalog);

    free(path);
    return mistakes;
}
