/*
 * answers - see answers.h
 */
#include "answers.h"

#include <stdlib.h>
#include <string.h>
#include "xalloc.h"

struct answer_entry {
    char *question, *text;
    int64_t at_ms;
    size_t bytes;
    struct answer_entry *newer, *older;
};

void answers_init(struct answers *answers, size_t max_count, size_t max_bytes)
{
    *answers = (struct answers){.max_count = max_count, .max_bytes = max_bytes};
    strmap_init(&answers->entries);
}

static void unlink_entry(struct answers *answers, struct answer_entry *entry)
{
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        answers->newest = entry->older;
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        answers->oldest = entry->newer;
}

static void link_newest(struct answers *answers, struct answer_entry *entry)
{
    entry->newer = NULL;
    entry->older = answers->newest;
    if (answers->newest)
        answers->newest->newer = entry;
    else
        answers->oldest = entry;
    answers->newest = entry;
}

static void forget(struct answers *answers, struct answer_entry *entry)
{
    unlink_entry(answers, entry);
    strmap_remove(&answers->entries, entry->question);
    answers->bytes -= entry->bytes;
    free(entry->question);
    free(entry->text);
    free(entry);
}

void answers_release(struct answers *answers)
{
    while (answers->oldest)
        forget(answers, answers->oldest);
    strmap_release(&answers->entries, NULL);
}

void answers_put(struct answers *answers, const char *question, const char *answer, int64_t now_ms)
{
    struct answer_entry *entry = strmap_get(&answers->entries, question);
    size_t bytes = sizeof *entry + 2 * strlen(question) + strlen(answer); /* the map has a copy of its own */

    if (entry)
        forget(answers, entry);
    if (bytes > answers->max_bytes)
        return;
    while (answers->oldest &&
           (answers->entries.count >= answers->max_count || answers->bytes > answers->max_bytes - bytes))
        forget(answers, answers->oldest);
    entry = xcalloc(1, sizeof *entry);
    entry->question = xstrdup(question);
    entry->text = xstrdup(answer);
    entry->at_ms = now_ms;
    entry->bytes = bytes;
    answers->bytes += bytes;
    strmap_put(&answers->entries, question, entry);
    link_newest(answers, entry);
}

const char *answers_get(struct answers *answers, const char *question, int64_t *at_ms)
{
    struct answer_entry *entry = strmap_get(&answers->entries, question);

    if (!entry)
        return NULL;
    unlink_entry(answers, entry);
    link_newest(answers, entry);
    *at_ms = entry->at_ms;
    return entry->text;
}
