/*
 * requirement - which schemas a report must fit to be accepted: schemas.json, dist-schema(7)
 *
 *   [{"tenant": "acme", "data_type": "order", "schema": "order.json"}, {"data_type": "invoice", ...}]
 *
 * A report must fit the schema of every entry that is for its tenant and data type; an entry without one of
 * both is for all of them. Pure.
 */
#ifndef DIST_REQUIREMENT_H
#define DIST_REQUIREMENT_H

#include <stddef.h>
#include "fault.h"
#include "job.h"

enum { REQUIREMENTS_MAX = 1000 };

struct requirement {
    char *tenant, *data_type; /* NULL: all; not both */
    char *schema;             /* the name of a file that ends with .json or .xsd */
    size_t index, line;       /* where it stands in the text */
};
struct requirements {
    struct requirement *items;
    size_t count;
};

/*
 * `requirements` is zeroed. `mistake` is called for each entry that cannot be taken, and for a text that is
 * no array of them: "line 3: /1/schema: ...". The number of mistakes.
 */
size_t requirements_read(struct requirements *requirements, const char *text, size_t size,
                         void (*mistake)(void *arg, const char *text), void *arg);
void requirements_release(struct requirements *requirements);

/* The next one that is for the job, from *index on, which is moved behind it; NULL: no more. */
const struct requirement *requirements_next(const struct requirements *requirements, const struct job *job,
                                            size_t *index);

#endif
