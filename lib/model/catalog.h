/*
 * catalog - all destinations and groups of one configuration
 *
 * A group is {"group": ["a", "b"], "policy": "weighted", "weights": {"a": 3}}: destinations, and the policy
 * by which they are put into an order for each delivery; see balance.h.
 */
#ifndef DIST_CATALOG_H
#define DIST_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "balance.h"
#include "destination.h"
#include "fault.h"
#include "strmap.h"

/* No destination and no group has this name: it is the target of the dead letter of what has nowhere to go.
 */
#define CATALOG_NO_TARGET "unrouted"

enum { GROUP_QUEUE_MAX = 100000 };

struct group {
    char *name;
    char *origin;
    json_t *form; /* as it was read; the plan borrows from it */
    size_t member_count;
    char **members; /* names of destinations, as they are listed */
    struct balance_plan plan;
    int64_t max_queue; /* a member with more deliveries waiting than that is not fit; 0: no limit */
};

/* The schemas that renderings name, and reports must fit: of a floor above, which puts them here with what
 * the catalog calls. */
struct schema_set;
struct catalog_schemas {
    struct schema_set *set; /* or NULL: nothing is known of them */
    void (*free)(struct schema_set *set);
    int (*named)(const struct schema_set *set, const char *path, const char *name, struct fault *fault);
};

/* What tenants may connect to: likewise. */
struct networks;
struct catalog_networks {
    struct networks *set; /* or NULL */
    void (*free)(struct networks *set);
};

struct catalog {
    struct strmap destinations; /* struct destination * */
    struct strmap groups;       /* struct group * */
    struct strmap programs;     /* char *: texts of transforms.d, by the names of their files */
    struct catalog_schemas schemas;
    struct catalog_networks networks;
};
struct catalog *catalog_new(void);
void catalog_free(struct catalog *catalog);
/*
 * Adds one file's content: one form, named by its "name" or else by `stem`, or an array of forms with
 * names. A name that is there already is a fault. `origin` goes into each.
 */
int catalog_add(struct catalog *catalog, const char *text, size_t size, const char *stem, const char *origin,
                struct fault *fault);
/* Whether the form is one of a group; a destination may have a "group" too, of users. */
bool catalog_is_group(const json_t *form);
/* A program that renderings name; takes `text`. */
void catalog_add_program(struct catalog *catalog, const char *name, char *text);
/* The text of a rendering's program, borrowed; NULL where it has none. -1, class INPUT, with the JSON pointer
 * behind `path`: there is no such file, with the nearest name. */
int catalog_program(const struct catalog *catalog, const struct rendering *rendering, const char *path,
                    const char **text, struct fault *fault);
/* The rendering's schema, if it has one, is there, as far as schemas are known. -1, class INPUT, with the
 * JSON pointer behind `path`: it is not, with the nearest name. */
int catalog_schema(const struct catalog *catalog, const struct rendering *rendering, const char *path,
                   struct fault *fault);
/* Members of groups exist and are no groups, and so do programs; call it when all files are added. Class
 * INPUT. */
int catalog_check(const struct catalog *catalog, struct fault *fault);
struct destination *catalog_destination(const struct catalog *catalog,
                                        const char *name);                    /* borrowed, or NULL */
struct group *catalog_group(const struct catalog *catalog, const char *name); /* borrowed, or NULL */
/* The known destination or group nearest to `name`, or NULL. */
const char *catalog_nearest(const struct catalog *catalog, const char *name);
/* All names of destinations (not groups), sorted; the array is the caller's, the strings the catalog's. */
const char **catalog_names(const struct catalog *catalog, size_t *count);
const char **catalog_group_names(const struct catalog *catalog, size_t *count); /* likewise, of groups */

#endif
