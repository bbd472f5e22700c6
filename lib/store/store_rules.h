/*
 * store_rules - rules in the database: what is there, and its changes
 *
 * A number counts the changes of all rules together. Who changes something says at which number he has read
 * what he judged by: if another one was faster nothing happens (TEMP), so a set that was found good is the
 * set that is then there. After UNAVAILABLE that happens to one's own change as well: read again, and there
 * is nothing left to change. Everything else is as in store.h.
 */
#ifndef DIST_STORE_RULES_H
#define DIST_STORE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fault.h"
#include "store.h"

struct stored_rule {
    char *tenant_id; /* NULL: of all tenants */
    char *name;
    char *form;   /* JSON text; its own "enabled" counts beside this one */
    bool enabled; /* the operator's switch */
    int64_t version;
    int64_t created_at_us, updated_at_us;
    char *created_by, *updated_by; /* "user@host" */
};
/* In the order of tenants (those of all first) and names, as one snapshot has them. */
struct stored_rules {
    struct stored_rule *items;
    size_t count;
    int64_t version; /* of the whole */
};
int store_rules_read(struct store *store, struct stored_rules *rules, struct fault *fault);
void stored_rules_release(struct stored_rules *rules);
/* The number alone: one row by its key. */
int store_rules_version(struct store *store, int64_t *version, struct fault *fault);

/* Whether there is one whose switch is on. */
int store_rules_any(struct store *store, bool *any, struct fault *fault);

enum rule_change_kind {
    RULE_CHANGE_LOADED,
    RULE_CHANGE_DISABLED,
    RULE_CHANGE_ENABLED,
    RULE_CHANGE_REMOVED,
    RULE_CHANGE_COUNT
};
extern const char *const rule_change_names[RULE_CHANGE_COUNT + 1]; /* "loaded", ... */

struct rule_change { /* everything is borrowed */
    enum rule_change_kind kind;
    const char *tenant_id; /* NULL: of all tenants */
    const char *name;
    const char *form; /* of LOADED, else NULL */
};
/*
 * All of them or none, in one transaction; each rule once. `version`: see above. `who`: "user@host". A rule
 * that is loaded over another one keeps its switch. INPUT: a tenant that is not there.
 */
int store_rules_change(struct store *store, int64_t version, const struct rule_change *changes, size_t count,
                       const char *who, struct fault *fault);

struct rule_change_view {
    const char *tenant_id, *change, *form, *who; /* tenant_id, form: or NULL */
    int64_t version, at_us;
};
/*
 * What was done to the rules of that name, of one tenant ("": that of all tenants, NULL: whoever's), the
 * latest change first. A `row` that returns non-zero ends the list (no fault). It must not use the store.
 */
int store_rules_history(struct store *store, const char *tenant_id, const char *name,
                        int (*row)(void *arg, const struct rule_change_view *view), void *arg,
                        struct fault *fault);

#endif
