/*
 * store_rules - see store_rules.h
 *
 * Hard rule: the number that counts the changes moves in the statement that makes them, and first: its row is
 * what two administrators at once wait for.
 */
#include "store_rules.h"

#include <stdlib.h>

#include "store_parts.h"
#include "xalloc.h"

const char *const rule_change_names[RULE_CHANGE_COUNT + 1] = {
    [RULE_CHANGE_LOADED] = "loaded",
    [RULE_CHANGE_DISABLED] = "disabled",
    [RULE_CHANGE_ENABLED] = "enabled",
    [RULE_CHANGE_REMOVED] = "removed",
};

enum { HISTORY_MAX = 1000 }; /* changes of one name that are shown */

// clang-format off
#define RULES_VERSION "(SELECT value::bigint FROM dist_state WHERE key = 'rules_version')"

static const char version_sql[] = "SELECT " RULES_VERSION;

static const char any_sql[] = "SELECT EXISTS (SELECT 1 FROM distribution_rules WHERE enabled)";

/* The number comes along with the rows, and alone where there are none. */
static const char read_sql[] =
    "SELECT v.version, r.name, r.tenant_id, r.form, r.enabled, r.version, dist_us(r.created_at), r.created_by,"
    "    dist_us(r.updated_at), r.updated_by"
    " FROM (SELECT " RULES_VERSION " AS version) v LEFT JOIN distribution_rules r ON true"
    " ORDER BY coalesce(r.tenant_id, ''), r.name";

static const char change_sql[] =
    "WITH v AS ("
    "    UPDATE dist_state SET value = (value::bigint + 1)::text"
    "    WHERE key = 'rules_version' AND value = $1::bigint::text RETURNING 1"
    "), c AS MATERIALIZED ("
    "    SELECT c.tenant_id, c.name, c.change, c.form, 1 + coalesce((SELECT max(h.version)"
    "        FROM distribution_rule_changes h"
    "        WHERE coalesce(h.tenant_id, '') = coalesce(c.tenant_id, '') AND h.name = c.name), 0) AS version"
    "    FROM unnest($2::varchar[], $3::varchar[], $4::text[], $5::json[]) AS c (tenant_id, name, change, form), v"
    "), h AS ("
    "    INSERT INTO distribution_rule_changes (tenant_id, name, version, change, form, changed_by)"
    "    SELECT tenant_id, name, version, change, form, $6::text FROM c"
    "), gone AS ("
    "    DELETE FROM distribution_rules r USING c"
    "    WHERE c.change = 'removed' AND coalesce(r.tenant_id, '') = coalesce(c.tenant_id, '') AND r.name = c.name"
    "), switched AS ("
    "    UPDATE distribution_rules r SET enabled = c.change = 'enabled', version = c.version, updated_at = now(),"
    "        updated_by = $6::text"
    "    FROM c WHERE c.change IN ('enabled', 'disabled')"
    "      AND coalesce(r.tenant_id, '') = coalesce(c.tenant_id, '') AND r.name = c.name"
    "), loaded AS ("
    "    INSERT INTO distribution_rules AS r (tenant_id, name, version, form, created_by, updated_by)"
    "    SELECT tenant_id, name, version, form, $6::text, $6::text FROM c WHERE change = 'loaded'"
    "    ON CONFLICT (coalesce(tenant_id, ''), name)"
    "    DO UPDATE SET form = EXCLUDED.form, version = EXCLUDED.version, updated_at = now(),"
    "        updated_by = EXCLUDED.updated_by"
    ") SELECT count(*) FROM v";

static const char history_sql[] =
    "SELECT tenant_id, change, form, changed_by, version, dist_us(changed_at) FROM distribution_rule_changes"
    " WHERE name = $2::text AND ($1::text IS NULL OR coalesce(tenant_id, '') = $1::text)"
    " ORDER BY changed_at DESC, coalesce(tenant_id, ''), version DESC LIMIT $3::integer";
// clang-format on

int store_rules_version(struct store *store, int64_t *version, struct fault *fault)
{
    PGresult *result = store_run(store, "rules_version", version_sql, NULL, fault);

    if (!result)
        return -1;
    *version = pg_int(result, 0, 0);
    PQclear(result);
    return 0;
}

int store_rules_any(struct store *store, bool *any, struct fault *fault)
{
    PGresult *result = store_run(store, "rules_any", any_sql, NULL, fault);

    if (!result)
        return -1;
    *any = pg_bool(result, 0, 0);
    PQclear(result);
    return 0;
}

int store_rules_read(struct store *store, struct stored_rules *rules, struct fault *fault)
{
    PGresult *result = store_run(store, "rules_read", read_sql, NULL, fault);

    *rules = (struct stored_rules){0};
    if (!result)
        return -1;
    rules->version = pg_int(result, 0, 0);
    rules->items = xcalloc((size_t)PQntuples(result), sizeof *rules->items);
    for (int row = 0; row < PQntuples(result) && !pg_null(result, row, 1); row++)
        rules->items[rules->count++] = (struct stored_rule){
            .name = pg_text_copy(result, row, 1),
            .tenant_id = pg_text_copy(result, row, 2),
            .form = pg_text_copy(result, row, 3),
            .enabled = pg_bool(result, row, 4),
            .version = pg_int(result, row, 5),
            .created_at_us = pg_int(result, row, 6),
            .created_by = pg_text_copy(result, row, 7),
            .updated_at_us = pg_int(result, row, 8),
            .updated_by = pg_text_copy(result, row, 9),
        };
    PQclear(result);
    return 0;
}

void stored_rules_release(struct stored_rules *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        free(rules->items[i].tenant_id);
        free(rules->items[i].name);
        free(rules->items[i].form);
        free(rules->items[i].created_by);
        free(rules->items[i].updated_by);
    }
    free(rules->items);
    *rules = (struct stored_rules){0};
}

int store_rules_change(struct store *store, int64_t version, const struct rule_change *changes, size_t count,
                       const char *who, struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    PGresult *result = NULL;
    int64_t done;

    store_arrays_init(&arrays, PG_VARCHAR, PG_VARCHAR, PG_TEXT, PG_JSON);
    pg_params_init(&params);
    pg_param_int(&params, version);
    for (size_t i = 0; i < count; i++) {
        pg_array_add(&arrays.items[0], changes[i].tenant_id);
        pg_array_add(&arrays.items[1], changes[i].name);
        pg_array_add(&arrays.items[2], rule_change_names[changes[i].kind]);
        pg_array_add(&arrays.items[3], changes[i].form);
    }
    if (!store_arrays_bind(&arrays, &params, fault)) {
        pg_param_text(&params, who);
        result = store_run(store, "rules_change", change_sql, &params, fault);
    }
    store_arrays_release(&arrays);
    if (!result)
        return -1;
    done = pg_int(result, 0, 0);
    PQclear(result);
    if (done)
        return 0;
    return fault_set(fault, FAULT_TEMP, "the rules in the database were changed meanwhile; run it again");
}

int store_rules_history(struct store *store, const char *tenant_id, const char *name,
                        int (*row)(void *arg, const struct rule_change_view *view), void *arg,
                        struct fault *fault)
{
    struct pg_params params;
    PGresult *result;

    pg_params_init(&params);
    pg_param_text(&params, tenant_id);
    pg_param_text(&params, name);
    pg_param_int(&params, HISTORY_MAX);
    result = store_run(store, "rules_history", history_sql, &params, fault);
    if (!result)
        return -1;
    for (int i = 0; i < PQntuples(result); i++) {
        const struct rule_change_view view = {
            .tenant_id = pg_null(result, i, 0) ? NULL : pg_text(result, i, 0),
            .change = pg_text(result, i, 1),
            .form = pg_null(result, i, 2) ? NULL : pg_text(result, i, 2),
            .who = pg_text(result, i, 3),
            .version = pg_int(result, i, 4),
            .at_us = pg_int(result, i, 5),
        };

        if (row(arg, &view))
            break;
    }
    PQclear(result);
    return 0;
}
