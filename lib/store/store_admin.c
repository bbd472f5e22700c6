/*
 * store_admin - the schema and the tenants
 *
 * Migrations run one per transaction under an advisory lock; each begins by reading which one is next, so
 * two administrators at once, or a migration that was interrupted, do no harm.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "migrations.h"
#include "store_parts.h"
#include "text.h"
#include "xalloc.h"

enum {
    MIGRATION_TIMEOUT_MS = 6 * 3600 * 1000, /* an index over a large table takes its time */
    SERVER_VERSION_MIN = 140000,
    TENANT_MAX_BYTES = 50, /* tenants.tenant_id is varchar(50) */
    NEAREST_AMONG = 1000,
};

static int wanted_version(void)
{
    int version = 0;

    for (const struct migration *m = migrations; m->version; m++)
        version = m->version;
    return version;
}

static int query_int(struct store *store, const char *sql, int64_t *value, struct fault *fault)
{
    PGresult *result = pg_query(store->pg, sql, NULL, fault);

    if (!result)
        return -1;
    *value = pg_int(result, 0, 0);
    PQclear(result);
    return 0;
}

int store_schema_version(struct store *store, int *have, int *want, struct fault *fault)
{
    int64_t there, version = 0;

    *have = 0;
    *want = wanted_version();
    if (query_int(store, "SELECT (to_regclass('schema_migrations') IS NOT NULL)::integer", &there, fault))
        return -1;
    if (there && query_int(store, "SELECT coalesce(max(version), 0) FROM schema_migrations", &version, fault))
        return -1;
    *have = (int)version;
    return 0;
}

static int check_server(struct store *store, struct fault *fault)
{
    int version = PQserverVersion(pg_connection(store->pg));
    const char *encoding = PQparameterStatus(pg_connection(store->pg), "server_encoding");

    if (version < SERVER_VERSION_MIN)
        return fault_set(fault, FAULT_CONFIG, "%s is version %d; %d or later is wanted", store_address(store),
                         version / 10000, SERVER_VERSION_MIN / 10000);
    if (!encoding || strcmp(encoding, "UTF8"))
        return fault_set(fault, FAULT_CONFIG, "%s has the encoding %s; UTF8 is wanted", store_address(store),
                         encoding ? encoding : "of nobody knows what");
    return 0;
}

/* Within the transaction: the next migration that the database lacks, or NULL in *next. */
static int find_next(struct store *store, const struct migration **next, struct fault *fault)
{
    int have, want;

    *next = NULL;
    if (pg_script(
            store->pg,
            "SET LOCAL statement_timeout = 0; "
            "SELECT pg_advisory_xact_lock(hashtext('dist_migrate'));"
            "CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY KEY, name text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())",
            fault) ||
        store_schema_version(store, &have, &want, fault))
        return -1;
    for (const struct migration *m = migrations; m->version && !*next; m++)
        if (m->version > have)
            *next = m;
    return 0;
}

static int apply(struct store *store, const struct migration *migration, struct fault *fault)
{
    struct pg_params params;
    PGresult *result;

    if (pg_script(store->pg, migration->sql, fault))
        return fault_wrap(fault, "migration %s", migration->name);
    pg_params_init(&params);
    pg_param_int(&params, migration->version);
    pg_param_text(&params, migration->name);
    result = pg_query(store->pg, "INSERT INTO schema_migrations (version, name) VALUES ($1::integer, $2)",
                      &params, fault);
    PQclear(result);
    return result ? 0 : -1;
}

static int migrate_one(struct store *store, const struct migration **applied, struct fault *fault)
{
    int status = pg_begin(store->pg, fault);

    *applied = NULL;
    if (!status)
        status = find_next(store, applied, fault);
    if (!status && *applied)
        status = apply(store, *applied, fault);
    if (!status)
        status = pg_commit(store->pg, fault);
    pg_rollback(store->pg);
    return status;
}

int store_migrate(struct store *store, void (*applied)(void *arg, int version, const char *name), void *arg,
                  struct fault *fault)
{
    const struct migration *migration;
    int status;

    if (pg_connect(store->pg, fault) || check_server(store, fault))
        return -1;
    pg_set_timeout(store->pg, MIGRATION_TIMEOUT_MS);
    do {
        status = migrate_one(store, &migration, fault);
        if (!status && migration && applied)
            applied(arg, migration->version, migration->name);
    } while (!status && migration);
    pg_set_timeout(store->pg, 0);
    return status;
}

/* --- tenants --- */

/* " (did you mean 'x'?)", or "" */
static void nearest_tenant(struct store *store, const char *tenant_id, char *hint, size_t size)
{
    PGresult *result = store_run(store, "tenant_names",
                                 "SELECT tenant_id FROM tenants WHERE NOT disabled LIMIT 1000", NULL, NULL);
    const char *names[NEAREST_AMONG];
    const char *nearest;
    size_t count = 0;

    *hint = '\0';
    if (!result)
        return;
    while (count < (size_t)PQntuples(result) && count < NEAREST_AMONG) {
        names[count] = pg_text(result, (int)count, 0);
        count++;
    }
    nearest = text_nearest(tenant_id, names, count);
    if (nearest)
        snprintf(hint, size, "; did you mean '%s'?", nearest);
    PQclear(result);
}

/* Whether it may submit; INPUT where there is no such tenant. */
static int find_tenant(struct store *store, const char *tenant_id, bool *disabled, struct fault *fault)
{
    struct pg_params params;
    PGresult *result;
    char shown[120], hint[120];
    bool known;

    pg_params_init(&params);
    pg_param_text(&params, tenant_id);
    result =
        store_run(store, "check_tenant", "SELECT disabled FROM tenants WHERE tenant_id = $1", &params, fault);
    if (!result)
        return -1;
    known = PQntuples(result) > 0;
    *disabled = known && pg_bool(result, 0, 0);
    PQclear(result);
    if (known)
        return 0;
    text_copy(shown, sizeof shown, tenant_id);
    nearest_tenant(store, tenant_id, hint, sizeof hint);
    return fault_set(fault, FAULT_INPUT, "there is no tenant '%s'%s", text_printable(shown), hint);
}

int store_check_tenant(struct store *store, const char *tenant_id, struct fault *fault)
{
    char shown[120];
    bool disabled;

    if (find_tenant(store, tenant_id, &disabled, fault))
        return -1;
    if (!disabled)
        return 0;
    text_copy(shown, sizeof shown, tenant_id);
    return fault_set(fault, FAULT_INPUT, "tenant '%s' is disabled", text_printable(shown));
}

int store_tenant_known(struct store *store, const char *tenant_id, struct fault *fault)
{
    bool disabled;

    return find_tenant(store, tenant_id, &disabled, fault);
}

int store_tenant_add(struct store *store, const char *tenant_id, const char *name, struct fault *fault)
{
    struct pg_params params;
    PGresult *result;
    char shown[120];
    bool same;

    text_copy(shown, sizeof shown, tenant_id);
    if (!text_is_name(tenant_id) || strlen(tenant_id) > TENANT_MAX_BYTES)
        return fault_set(fault, FAULT_INPUT,
                         "'%s' is not a name: 1 to %d of A-Z a-z 0-9 . _ -, and no . or - in front",
                         text_printable(shown), TENANT_MAX_BYTES);
    pg_params_init(&params);
    pg_param_text(&params, tenant_id);
    pg_param_text(&params, name ? name : tenant_id);
    result = store_run(
        store, "tenant_add",
        "WITH added AS (INSERT INTO tenants (tenant_id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING"
        " RETURNING name) SELECT name = $2 FROM (SELECT name FROM added"
        " UNION ALL SELECT name FROM tenants WHERE tenant_id = $1) t",
        &params, fault);
    if (!result)
        return -1;
    same = PQntuples(result) > 0 && pg_bool(result, 0, 0);
    PQclear(result);
    if (!same)
        return fault_set(fault, FAULT_INPUT, "there is a tenant '%s' already", shown);
    return 0;
}

int store_tenant_disable(struct store *store, const char *tenant_id, bool disabled, struct fault *fault)
{
    struct pg_params params;
    size_t changed;
    char shown[120], hint[120];

    pg_params_init(&params);
    pg_param_text(&params, tenant_id);
    pg_param_bool(&params, disabled);
    if (store_change(store, "tenant_disable",
                     "UPDATE tenants SET disabled = $2::boolean WHERE tenant_id = $1", &params, &changed,
                     fault))
        return -1;
    if (changed)
        return 0;
    text_copy(shown, sizeof shown, tenant_id);
    nearest_tenant(store, tenant_id, hint, sizeof hint);
    return fault_set(fault, FAULT_INPUT, "there is no tenant '%s'%s", text_printable(shown), hint);
}

int store_tenant_list(struct store *store, int (*row)(void *arg, const struct tenant_view *view), void *arg,
                      struct fault *fault)
{
    PGresult *result = store_run(store, "tenant_list",
                                 "SELECT t.tenant_id, t.name, t.disabled, dist_us(t.created_at),"
                                 " (SELECT count(*) FROM distribution_jobs j WHERE j.tenant_id = t.tenant_id)"
                                 " FROM tenants t ORDER BY t.tenant_id",
                                 NULL, fault);

    if (!result)
        return -1;
    for (int i = 0; i < PQntuples(result); i++) {
        struct tenant_view view = {
            .tenant_id = pg_text_copy(result, i, 0),
            .name = pg_text_copy(result, i, 1),
            .disabled = pg_bool(result, i, 2),
            .created_at_us = pg_int(result, i, 3),
            .jobs = pg_int(result, i, 4),
        };
        int stop = row(arg, &view);

        free(view.tenant_id);
        free(view.name);
        if (stop)
            break;
    }
    PQclear(result);
    return 0;
}

int store_server(struct store *store, char version[64], int64_t *skew_ms, struct fault *fault)
{
    PGresult *result;
    int64_t before_us;

    if (pg_connect(store->pg, fault))
        return -1;
    before_us = clock_wall_us();
    result = pg_query(store->pg,
                      "SELECT current_setting('server_version'),"
                      " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
                      NULL, fault);
    if (!result)
        return -1;
    text_copy(version, 64, pg_text(result, 0, 0));
    *skew_ms = (pg_int(result, 0, 1) - (before_us + clock_wall_us()) / 2) / 1000;
    PQclear(result);
    return 0;
}
