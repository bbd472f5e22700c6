/*
 * rules_texts - see rules_texts.h
 */
#include "rules_texts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "ceilings.h"
#include "fdio.h"
#include "json.h"
#include "msg.h"
#include "text.h"
#include "xalloc.h"

static const char stored_origin[] = "database:";

/* Takes the bytes of `text`, in any case. */
static int add(struct rules_texts *texts, const char *origin, struct buf *text, const char *stem,
               const char *tenant, struct fault *fault)
{
    if (text->len > RULES_TEXTS_MAX - texts->size) {
        buf_release(text);
        return fault_set(fault, FAULT_INPUT, "%s: all rules together are larger than %d MiB", origin,
                         RULES_TEXTS_MAX / 1024 / 1024);
    }
    if (texts->count == texts->cap) {
        texts->cap = texts->cap ? 2 * texts->cap : 16;
        texts->items = xreallocarray(texts->items, texts->cap, sizeof *texts->items);
    }
    struct rules_source *item = &texts->items[texts->count++];
    *item = (struct rules_source){
        .origin = xstrdup(origin), .stem = xstrdup_null(stem), .tenant = xstrdup_null(tenant)};
    texts->size += text->len;
    item->text = buf_steal(text, &item->size);
    return 0;
}

void rules_texts_release(struct rules_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++) {
        free((char *)texts->items[i].origin);
        free((char *)texts->items[i].text);
        free((char *)texts->items[i].stem);
        free((char *)texts->items[i].tenant);
    }
    free(texts->items);
    *texts = (struct rules_texts){0};
}

/* "rules.d/eu.json" is "eu"; the caller's. */
static char *stem_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t size = strlen(name), end = strlen(".json");

    if (size > end && !strcmp(name + size - end, ".json"))
        size -= end;
    return xmemdupz(name, size);
}

int rules_texts_add_file(struct rules_texts *texts, const char *path, const char *tenant, struct fault *fault)
{
    struct buf text;

    if (!strcmp(path, "-")) {
        buf_init(&text, LIMIT_CONFIG_FILE);
        if (fdio_read_all(STDIN_FILENO, &text, fault) == 0)
            return add(texts, "stdin", &text, NULL, tenant, fault);
        buf_release(&text);
        return fault_wrap(fault, "stdin");
    }
    if (fdio_read_file(path, LIMIT_CONFIG_FILE, &text, fault) < 0)
        return -1;
    char *stem = stem_of(path);
    int result = add(texts, path, &text, stem, tenant, fault);
    free(stem);
    return result;
}

/* False where the form is not JSON: then the reader of the rules says so. */
static bool add_disabled(struct buf *text, const char *form)
{
    json_t *value = json_read(form, strlen(form), NULL);
    bool good = json_is_object(value);

    if (good) {
        json_object_set_new(value, "enabled", json_false());
        json_write(value, text);
    }
    json_decref(value);
    return good;
}

int rules_texts_add_stored(struct rules_texts *texts, const struct stored_rule *rule, struct fault *fault)
{
    char *origin = rule->tenant_id ? xasprintf("%s%s/%s", stored_origin, rule->tenant_id, rule->name)
                                   : xasprintf("%s%s", stored_origin, rule->name);
    struct buf text;

    buf_init(&text, RULES_TEXTS_MAX);
    if (rule->enabled || !add_disabled(&text, rule->form))
        buf_adds(&text, rule->form);
    int result = add(texts, origin, &text, rule->name, rule->tenant_id, fault);
    free(origin);
    return result;
}

/* What is in the database has one line, and the line says nothing. */
void rules_texts_mistake(void *arg, const struct rules_mistake *mistake)
{
    const char *colon = *mistake->path ? ": " : "";

    (void)arg;
    if (text_starts_with(mistake->origin, stored_origin))
        msg(MSG_ERROR, "%s: %s%s%s", mistake->origin, mistake->path, colon, mistake->text);
    else
        msg(MSG_ERROR, "%s:%zu: %s%s%s", mistake->origin, mistake->line, mistake->path, colon, mistake->text);
}
