/*
 * answers - what was answered, by the question: a memory with a ceiling
 *
 * The entry that was used the longest time ago makes room for a new one.
 */
#ifndef DIST_ANSWERS_H
#define DIST_ANSWERS_H

#include <stddef.h>
#include <stdint.h>
#include "strmap.h"

struct answer_entry;
struct answers {
    struct strmap entries; /* by the question */
    struct answer_entry *newest, *oldest;
    size_t bytes; /* of questions and answers */
    size_t max_count, max_bytes;
};

void answers_init(struct answers *answers, size_t max_count, size_t max_bytes);
void answers_release(struct answers *answers);
/* Both texts are copied; an answer to the same question is replaced. One that is larger than the memory is
 * not kept. */
void answers_put(struct answers *answers, const char *question, const char *answer, int64_t now_ms);
/* The answer, borrowed until the next answers_put(), and when it was put; NULL where there is none. */
const char *answers_get(struct answers *answers, const char *question, int64_t *at_ms);

#endif
