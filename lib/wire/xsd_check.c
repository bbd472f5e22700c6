/*
 * xsd_check - a document before a schema
 *
 * The parser's events come to us, and from us to libxml2's validator: it sees nothing of what ends the
 * reading. What it tells of an element finds it at the end of the path here, and what it tells at its end
 * too: it leaves the path with the next event.
 */
#include "xsd_parts.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "buf.h"
#include "strmap.h"
#include "text.h"
#include "xalloc.h"
#include "xml_document.h"

enum { PLACE_MAX = 1000, NAME_SHOWN = 100, LEVELS_MAX = XSD_DEPTH_MAX + 1 };

struct level {
    char *name;
    size_t number;        /* among its siblings of that name */
    struct strmap counts; /* of its children, by name */
};

struct check {
    const struct xsd *xsd;
    struct xsd_errors *errors;
    xmlSchemaValidCtxt *context;
    xmlSAXHandler *sax; /* the validator's own, which gets what we let through */
    void *sax_arg;
    struct level levels[LEVELS_MAX];
    int depth;
    bool ended;  /* the last level has */
    size_t text; /* bytes of the text that is being read */
    int64_t until_ms;
    char why[100];
};

static int64_t cpu_now_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* --- errors --- */

static void add_name(struct buf *out, const char *mark, const char *name, size_t size)
{
    char shown[NAME_SHOWN], *copy = xmemdupz(name, size);

    text_copy(shown, sizeof shown, copy);
    buf_addf(out, "/%s%s", mark, shown);
    free(copy);
}

/* "/order/item[3]/@id"; the caller frees. */
static char *place_of(const struct check *check, const xmlError *error)
{
    struct buf out;
    size_t size;
    const char *attribute = xsd_attribute(error, &size);

    buf_init(&out, PLACE_MAX);
    for (int i = 0; i < check->depth && !out.overflow; i++) {
        const struct level *level = &check->levels[i];
        add_name(&out, "", level->name, strlen(level->name));
        if (level->number > 1)
            buf_addf(&out, "[%zu]", level->number);
    }
    if (attribute)
        add_name(&out, "@", attribute, size);
    char *place = out.overflow ? xasprintf("%s/...", out.data) : xstrdup(out.data);
    buf_release(&out);
    return text_printable(place);
}

static void tell(struct check *check, const char *place, const char *text)
{
    check->errors->items[check->errors->count++] =
        xasprintf("%s%s%s (%s)", place, *place ? ": " : "", text, check->xsd->name);
}

static void on_error(void *arg, xmlError *error)
{
    struct check *check = arg;

    if (check->errors->count == XSD_ERRORS_MAX) {
        check->errors->more = true;
        return;
    }
    char *place = place_of(check, error), *text = xsd_message(error, check->xsd->hide_values);
    tell(check, place, text);
    free(place);
    free(text);
}

/* --- events --- */

static void leave(struct check *check)
{
    struct level *level = &check->levels[--check->depth];

    strmap_release(&level->counts, NULL);
    free(level->name);
    check->ended = false;
}

static void enter(struct check *check, const char *name)
{
    struct level *level = &check->levels[check->depth];

    *level = (struct level){.name = xstrdup(name), .number = 1};
    strmap_init(&level->counts);
    if (check->depth > 0) {
        struct strmap *counts = &check->levels[check->depth - 1].counts;
        level->number += (uintptr_t)strmap_get(counts, name);
        strmap_put(counts, name, (void *)(uintptr_t)level->number);
    }
    check->depth++;
}

/* Between two events the time is looked at; and there is no more to find where nothing more is told. */
static const char *next(struct check *check)
{
    if (check->ended)
        leave(check);
    check->text = 0;
    if (check->errors->more)
        return "there are others";
    if (cpu_now_ms() <= check->until_ms)
        return NULL;
    snprintf(check->why, sizeof check->why, "the check takes more than %lld ms",
             (long long)check->xsd->cpu_ms);
    return check->why;
}

static const char *check_text(struct check *check, size_t size)
{
    check->text += size;
    if (!check->xsd->has_patterns || check->text <= XSD_PATTERN_TEXT_MAX)
        return NULL;
    snprintf(check->why, sizeof check->why, "a text of more than %d bytes is not matched with patterns",
             XSD_PATTERN_TEXT_MAX);
    return check->why;
}

static const char *on_element(void *arg, const struct xml_start *start)
{
    struct check *check = arg;
    const char *why = next(check);

    enter(check, (const char *)start->name);
    for (int i = 0; i < start->attribute_count && !why; i++) {
        const xmlChar **attribute = &start->attributes[i * 5];
        why = check_text(check, (size_t)(attribute[4] - attribute[3]));
        check->text = 0;
    }
    if (!why)
        check->sax->startElementNs(check->sax_arg, start->name, start->prefix, start->uri,
                                   start->namespace_count, start->namespaces, start->attribute_count,
                                   start->defaulted, start->attributes);
    return why;
}

static const char *on_element_end(void *arg, const struct xml_start *start)
{
    struct check *check = arg;
    const char *why = next(check);

    check->ended = true;
    if (!why)
        check->sax->endElementNs(check->sax_arg, start->name, start->prefix, start->uri);
    return why;
}

static const char *on_text(void *arg, const xmlChar *text, int size)
{
    struct check *check = arg;
    const char *why = check_text(check, (size_t)size);

    if (!why)
        check->sax->characters(check->sax_arg, text, size);
    return why;
}

/* --- a check --- */

static void run(struct check *check, const char *text, size_t size)
{
    const struct xml_limits limits = {.max_nodes = XSD_NODES_MAX, .max_depth = XSD_DEPTH_MAX};
    const struct xml_events events = {
        .arg = check,
        .element = on_element,
        .element_end = on_element_end,
        .text = on_text,
    };
    struct fault problem = {0};
    xmlSchemaSAXPlugStruct *plug = xmlSchemaSAXPlug(check->context, &check->sax, &check->sax_arg);
    int result;

    if (!plug)
        abort(); /* libxml2 is out of memory, as in xalloc */
    result = xml_document_read(text, size, &limits, &events, &problem);
    xmlSchemaSAXUnplug(plug);
    while (check->depth > 0)
        leave(check);
    /* Of a document that was not read to its end the reason is what counts; it may stand behind others. */
    if (result < 0 && check->errors->count < XSD_ERRORS_MAX)
        tell(check, "", problem.text);
    if (result == 0 && check->errors->count == 0 && xmlSchemaIsValid(check->context) != 1)
        tell(check, "", "does not fit the schema");
}

int xsd_validate(const struct xsd *xsd, const char *text, size_t size, struct xsd_errors *errors)
{
    struct check *check = xcalloc(1, sizeof *check);

    xsd_errors_release(errors);
    check->xsd = xsd;
    check->errors = errors;
    check->until_ms = cpu_now_ms() + xsd->cpu_ms;
    check->context = xmlSchemaNewValidCtxt(xsd->schema);
    if (!check->context)
        abort(); /* libxml2 is out of memory, as in xalloc */
    xmlSchemaSetValidStructuredErrors(check->context, on_error, check);
    run(check, text, size);
    xmlSchemaFreeValidCtxt(check->context);
    free(check);
    return errors->count ? -1 : 0;
}

void xsd_errors_release(struct xsd_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        free(errors->items[i]);
    *errors = (struct xsd_errors){0};
}
