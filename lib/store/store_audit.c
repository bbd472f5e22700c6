/*
 * store_audit - the conservation of what was accepted: every target is delivered, dead, expired, cancelled or
 * open
 *
 * The sums are taken from the rows, never from the counters that the triggers keep: those are what is
 * compared. Jobs go page by page in the order of their ids; a page is two statements, one for the jobs with
 * the counts of their deliveries, one for the deliveries whose attempts are not what they should be.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "store_parts.h"
#include "text.h"
#include "xalloc.h"

/* Below every UUIDv7. */
#define FIRST_ID "00000000-0000-0000-0000-000000000000"

enum {
    PAGE = 200,                      /* jobs; each may have a thousand deliveries */
    PAGE_TIMEOUT_MS = 5 * 60 * 1000, /* of one page of a tenant who has few jobs among very many */
};

// clang-format off
static const char timeout_sql[] = "SET LOCAL statement_timeout = 300000";

static const char jobs_sql[] =
    "WITH page AS MATERIALIZED ("
    "    SELECT * FROM distribution_jobs WHERE id > $1::uuid AND ($2::text IS NULL OR tenant_id = $2)"
    "    ORDER BY id LIMIT $3::bigint"
    "), named AS ("
    "    SELECT p.id, count(*) AS names, count(d.id) AS matched FROM page p"
    "    CROSS JOIN LATERAL (SELECT DISTINCT e.element ->> 'name' AS name"
    "                        FROM jsonb_array_elements(p.destinations) AS e (element)) n"
    "    LEFT JOIN distribution_deliveries d ON d.job_id = p.id AND d.kind = 'target' AND d.target = n.name"
    "    GROUP BY p.id"
    "), held AS ("
    "    SELECT d.job_id, count(*) FILTER (WHERE d.kind = 'callback') AS callbacks,"
    "        count(*) FILTER (WHERE d.kind = 'target') AS total,"
    "        count(*) FILTER (WHERE d.kind = 'target'"
    "            AND CASE WHEN d.rule IS NULL AND p.destinations <> '[]' THEN false"
    "                     ELSE NOT p.destinations @> jsonb_build_array(jsonb_build_object('name', d.target)) END)"
    "            AS added,"
    "        count(*) FILTER (WHERE d.kind = 'target' AND d.status = 'waiting') AS waiting,"
    "        count(*) FILTER (WHERE d.kind = 'target' AND d.status = 'queued') AS queued,"
    "        count(*) FILTER (WHERE d.kind = 'target' AND d.status = 'delivered') AS delivered,"
    "        count(*) FILTER (WHERE d.kind = 'target' AND d.status = 'dead') AS dead,"
    "        count(*) FILTER (WHERE d.kind = 'target' AND d.status = 'expired') AS expired,"
    "        count(*) FILTER (WHERE d.kind = 'target' AND d.status = 'cancelled') AS cancelled,"
    "        count(*) FILTER (WHERE d.kind = 'target' AND d.status IN ('waiting', 'queued')"
    "            AND p.expires_at IS NOT NULL AND (d.expires_at <= p.expires_at) IS NOT TRUE) AS ageless"
    "    FROM page p JOIN distribution_deliveries d ON d.job_id = p.id GROUP BY d.job_id"
    ") SELECT p.id, p.distribution_id, p.status, coalesce(n.names, 0), coalesce(n.matched, 0),"
    "    p.total_deliveries, p.open_deliveries, p.delivered_deliveries, p.dead_deliveries, p.expired_deliveries,"
    "    p.cancelled_deliveries, coalesce(h.total, 0), coalesce(h.waiting, 0), coalesce(h.queued, 0),"
    "    coalesce(h.delivered, 0), coalesce(h.dead, 0), coalesce(h.expired, 0), coalesce(h.cancelled, 0),"
    "    coalesce(h.callbacks, 0),"
    "    dist_job_status(h.total::integer, (h.waiting + h.queued)::integer, h.delivered::integer, h.dead::integer,"
    "                    h.expired::integer, h.cancelled::integer),"
    "    coalesce(h.added, 0), p.replaced, EXISTS (SELECT 1 FROM distribution_pending q WHERE q.job_id = p.id),"
    "    coalesce(h.ageless, 0)"
    " FROM page p LEFT JOIN named n ON n.id = p.id LEFT JOIN held h ON h.job_id = p.id ORDER BY p.id";

/*
 * A delivery that is older than the oldest partition of attempts may have lost some of them with another. A success
 * that came late, from a worker that had lost its claim, may have a lower number than an attempt that is recorded.
 */
static const char attempts_sql[] =
    "WITH made AS ("
    "    SELECT delivery_id, count(*) AS attempts, count(DISTINCT attempt_number) AS numbers,"
    "        max(attempt_number) AS highest, count(*) FILTER (WHERE status = 'delivered') AS delivered"
    "    FROM distribution_attempts WHERE distribution_job_id = ANY ($1::uuid[]) GROUP BY delivery_id"
    "), known AS ("
    "    SELECT min(to_date(right(c.relname, 7), 'YYYY_MM')) AS since"
    "    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
    "    WHERE i.inhparent = 'distribution_attempts'::regclass"
    ") SELECT d.id, d.status, coalesce(m.attempts, 0), coalesce(m.numbers, 0),"
    "    greatest(m.highest, d.attempts), coalesce(m.delivered, 0)"
    " FROM distribution_deliveries d CROSS JOIN known k LEFT JOIN made m ON m.delivery_id = d.id"
    " WHERE d.job_id = ANY ($1::uuid[]) AND d.created_at >= k.since"
    "   AND (coalesce(m.numbers, 0) <> greatest(m.highest, d.attempts) OR m.attempts > m.numbers"
    "        OR m.delivered > 1 OR (coalesce(m.delivered, 0) > 0) <> (d.status = 'delivered'))"
    " ORDER BY d.id";
static const char attempts_count_sql[] =
    "SELECT count(*) FROM distribution_attempts WHERE distribution_job_id = ANY ($1::uuid[])";

static const char overdue_sql[] =
    "SELECT id FROM distribution_deliveries WHERE status = 'queued' AND id > $1::uuid"
    " AND ($2::text IS NULL OR tenant_id = $2) AND due_at <= now() - $3::bigint * interval '1 millisecond'"
    " ORDER BY id LIMIT $4::bigint";
static const char still_deliveries_sql[] =
    "SELECT id FROM distribution_deliveries WHERE status = 'queued' AND id = ANY ($1::uuid[])"
    " AND due_at <= now() - $2::bigint * interval '1 millisecond' ORDER BY id";
static const char still_jobs_sql[] =
    "SELECT id FROM distribution_jobs WHERE id = ANY ($1::uuid[]) AND " STORE_STATUS_IS("status", "pending")
    " AND due_at <= now() - $2::bigint * interval '1 millisecond' ORDER BY id";

static const char standing_sql[] =
    "SELECT i.place, s.open, s.tenant_id FROM unnest($1::uuid[], $2::integer[]) AS i (id, place)"
    " JOIN (SELECT id, tenant_id, status IN ('waiting', 'queued') AS open FROM distribution_deliveries"
    "       WHERE id = ANY ($1::uuid[])"
    "       UNION ALL SELECT id, tenant_id, status = 'pending' FROM distribution_jobs"
    "       WHERE id = ANY ($1::uuid[])) AS s ON s.id = i.id";
// clang-format on

/* The columns of jobs_sql. */
enum {
    ID,
    DISTRIBUTION_ID,
    STATUS,
    NAMES,
    MATCHED,
    COUNTERS, /* total, open, delivered, dead, expired, cancelled */
    TOTAL = COUNTERS + 6,
    WAITING,
    QUEUED,
    DELIVERED,
    DEAD,
    EXPIRED,
    CANCELLED,
    CALLBACKS,
    RULE,
    ADDED,    /* deliveries that rules, or the default target, added to what the request names */
    REPLACED, /* rules took the place of what it names */
    TO_ROUTE, /* it is among what is to be routed */
    AGELESS,  /* open deliveries that would be found too late where it expires */
};

struct walk {
    struct store *store;
    const char *tenant_id;
    struct audit_sums *sums;
    int (*found)(void *arg, const struct audit_break *broken);
    void *arg;
    bool stopped;
};

static void tell(struct walk *walk, const char *id, bool is_job, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void tell(struct walk *walk, const char *id, bool is_job, const char *format, ...)
{
    struct audit_break broken = {.id = id, .is_job = is_job};
    va_list arguments;

    if (walk->stopped)
        return;
    va_start(arguments, format);
    (void)vsnprintf(broken.reason, sizeof broken.reason, format, arguments);
    va_end(arguments);
    walk->stopped = walk->found(walk->arg, &broken) != 0;
}

/* --- jobs --- */

/* The targets that a routed job should have deliveries for. */
static int64_t expected(const PGresult *page, int row)
{
    return pg_int(page, row, pg_bool(page, row, REPLACED) ? MATCHED : NAMES) + pg_int(page, row, ADDED);
}

static void add_sums(struct audit_sums *sums, const PGresult *page, int row)
{
    int64_t names = pg_int(page, row, NAMES), total = pg_int(page, row, TOTAL);
    bool pending = !strcmp(pg_text(page, row, STATUS), job_status_names[JOB_PENDING]);

    sums->jobs++;
    sums->targets += total ? expected(page, row) : names;
    if (pending)
        sums->pending += names;
    else if (!total)
        sums->unrouted += names;
    sums->waiting += pg_int(page, row, WAITING);
    sums->queued += pg_int(page, row, QUEUED);
    sums->delivered += pg_int(page, row, DELIVERED);
    sums->dead += pg_int(page, row, DEAD);
    sums->expired += pg_int(page, row, EXPIRED);
    sums->cancelled += pg_int(page, row, CANCELLED);
    sums->callbacks += pg_int(page, row, CALLBACKS);
}

static void check_counters(struct walk *walk, const PGresult *page, int row)
{
    static const char *const names[] = {"total", "open", "delivered", "dead", "expired", "cancelled"};
    const int64_t rows[] = {
        pg_int(page, row, TOTAL),     pg_int(page, row, WAITING) + pg_int(page, row, QUEUED),
        pg_int(page, row, DELIVERED), pg_int(page, row, DEAD),
        pg_int(page, row, EXPIRED),   pg_int(page, row, CANCELLED),
    };

    for (int i = 0; i < 6; i++) {
        int64_t counter = pg_int(page, row, COUNTERS + i);
        if (counter != rows[i]) {
            tell(walk, pg_text(page, row, DISTRIBUTION_ID), true,
                 "its counter of %s deliveries is %" PRId64 ", and there are %" PRId64, names[i], counter,
                 rows[i]);
            return;
        }
    }
}

/* A job that has ended, or is pending, without having been routed has no deliveries, and no rule for them. */
static bool may_lack_deliveries(const char *status)
{
    return strcmp(status, job_status_names[JOB_ROUTED]) && strcmp(status, job_status_names[JOB_COMPLETED]) &&
           strcmp(status, job_status_names[JOB_PARTIAL]);
}

static void check_job(struct walk *walk, const PGresult *page, int row)
{
    const char *id = pg_text(page, row, DISTRIBUTION_ID), *status = pg_text(page, row, STATUS);
    int64_t names = pg_int(page, row, NAMES), matched = pg_int(page, row, MATCHED);
    int64_t total = pg_int(page, row, TOTAL);
    bool pending = !strcmp(status, job_status_names[JOB_PENDING]);

    check_counters(walk, page, row);
    if (pending != pg_bool(page, row, TO_ROUTE))
        tell(walk, id, true, "it is %s, and %s what is to be routed", status,
             pending ? "not among" : "among");
    if (pg_int(page, row, AGELESS))
        tell(walk, id, true, "%" PRId64 " of its open deliveries would not be seen to expire",
             pg_int(page, row, AGELESS));
    if (!total && !may_lack_deliveries(status))
        tell(walk, id, true, "it is %s and has no delivery", status);
    else if (total && strcmp(status, pg_text(page, row, RULE)))
        tell(walk, id, true, "it is %s, and by its deliveries it should be %s", status,
             pg_text(page, row, RULE));
    if (total && matched != names && !pg_bool(page, row, REPLACED))
        tell(walk, id, true, "%" PRId64 " of its %" PRId64 " targets have no delivery", names - matched,
             names);
    else if (total > expected(page, row))
        tell(walk, id, true, "it has %" PRId64 " deliveries for %" PRId64 " targets", total,
             expected(page, row));
}

/* --- attempts --- */

static void check_delivery(struct walk *walk, const PGresult *page, int row)
{
    const char *id = pg_text(page, row, 0), *status = pg_text(page, row, 1);
    int64_t attempts = pg_int(page, row, 2), numbers = pg_int(page, row, 3);
    int64_t highest = pg_int(page, row, 4), delivered = pg_int(page, row, 5);
    bool is_delivered = !strcmp(status, delivery_status_names[DELIVERY_DELIVERED]);

    walk->sums->repeated += attempts - numbers;
    walk->sums->duplicates += delivered > 1 ? delivered - 1 : 0;
    if (numbers != highest)
        tell(walk, id, false, "%" PRId64 " of its %" PRId64 " attempts are not recorded", highest - numbers,
             highest);
    if (is_delivered && !delivered)
        tell(walk, id, false, "it is delivered, and no attempt says so");
    else if (!is_delivered && delivered)
        tell(walk, id, false, "it is %s, and an attempt delivered it", status);
}

/* Within the transaction: a statement over the jobs of a page. */
static PGresult *of_page(struct walk *walk, const char *name, const char *sql, const PGresult *page,
                         struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    PGresult *result = NULL;

    store_arrays_init(&arrays, PG_UUID);
    pg_params_init(&params);
    for (int row = 0; row < PQntuples(page); row++)
        pg_array_add(&arrays.items[0], pg_text(page, row, ID));
    if (!store_arrays_bind(&arrays, &params, fault))
        result = pg_prepared(walk->store->pg, name, sql, &params, fault);
    store_arrays_release(&arrays);
    return result;
}

static int check_attempts(struct walk *walk, const PGresult *page, struct fault *fault)
{
    PGresult *count = of_page(walk, "audit_attempts_count", attempts_count_sql, page, fault);
    PGresult *odd = count ? of_page(walk, "audit_attempts", attempts_sql, page, fault) : NULL;

    if (odd)
        walk->sums->attempts += pg_int(count, 0, 0);
    for (int row = 0; odd && row < PQntuples(odd); row++)
        check_delivery(walk, odd, row);
    int status = odd ? 0 : -1;
    PQclear(odd);
    PQclear(count);
    return status;
}

/* --- the walk --- */

/* Within the transaction. *more: there are jobs behind this page. */
static int walk_page(struct walk *walk, char after[UID_TEXT_SIZE], bool *more, struct fault *fault)
{
    struct pg_params params;

    pg_params_init(&params);
    pg_param_text(&params, after);
    pg_param_text(&params, walk->tenant_id);
    pg_param_int(&params, PAGE);
    PGresult *page = pg_prepared(walk->store->pg, "audit_jobs", jobs_sql, &params, fault);
    if (!page)
        return -1;
    int rows = PQntuples(page);
    for (int row = 0; row < rows; row++) {
        add_sums(walk->sums, page, row);
        check_job(walk, page, row);
    }
    int status = rows ? check_attempts(walk, page, fault) : 0;
    if (rows)
        text_copy(after, UID_TEXT_SIZE, pg_text(page, rows - 1, ID));
    *more = rows == PAGE && !walk->stopped;
    PQclear(page);
    return status;
}

int store_audit(struct store *store, const char *tenant_id, struct audit_sums *sums,
                int (*found)(void *arg, const struct audit_break *broken), void *arg, struct fault *fault)
{
    struct walk walk = {store, tenant_id, sums, found, arg, false};
    char after[UID_TEXT_SIZE] = FIRST_ID;
    bool more = true;

    *sums = (struct audit_sums){0};
    if (store_open(store, fault) || pg_begin_read(store->pg, fault))
        return -1;
    pg_set_timeout(store->pg, PAGE_TIMEOUT_MS);
    int status = pg_script(store->pg, timeout_sql, fault);
    while (!status && more)
        status = walk_page(&walk, after, &more, fault);
    if (!status)
        status = pg_commit(store->pg, fault);
    pg_rollback(store->pg);
    pg_set_timeout(store->pg, 0);
    return status;
}

/* --- against Redis --- */

static void read_ids(const PGresult *result, struct due_list *list)
{
    size_t rows = (size_t)PQntuples(result);

    if (rows > list->cap) {
        list->cap = rows;
        list->items = xreallocarray(list->items, list->cap, sizeof *list->items);
    }
    list->count = rows;
    for (size_t row = 0; row < rows; row++)
        text_copy(list->items[row].id, UID_TEXT_SIZE, pg_text(result, (int)row, 0));
}

int store_audit_overdue(struct store *store, const char *tenant_id, int64_t grace_ms, const char *after,
                        size_t limit, struct due_list *list, struct fault *fault)
{
    struct pg_params params;

    pg_params_init(&params);
    pg_param_text(&params, *after ? after : FIRST_ID);
    pg_param_text(&params, tenant_id);
    pg_param_int(&params, grace_ms);
    pg_param_int(&params, (int64_t)limit);
    PGresult *result = store_run(store, "audit_overdue", overdue_sql, &params, fault);
    if (!result)
        return -1;
    read_ids(result, list);
    PQclear(result);
    return 0;
}

int store_audit_still_overdue(struct store *store, bool jobs, int64_t grace_ms, struct due_list *list,
                              struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    PGresult *result = NULL;

    store_arrays_init(&arrays, PG_UUID);
    pg_params_init(&params);
    for (size_t i = 0; i < list->count; i++)
        pg_array_add(&arrays.items[0], list->items[i].id);
    if (!store_arrays_bind(&arrays, &params, fault)) {
        pg_param_int(&params, grace_ms);
        result = jobs ? store_run(store, "audit_still_jobs", still_jobs_sql, &params, fault)
                      : store_run(store, "audit_still_deliveries", still_deliveries_sql, &params, fault);
    }
    store_arrays_release(&arrays);
    if (!result)
        return -1;
    read_ids(result, list);
    PQclear(result);
    return 0;
}

int store_audit_standing(struct store *store, const char *tenant_id, const char *const *ids, size_t count,
                         enum audit_standing *standing, struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    PGresult *result = NULL;

    store_arrays_init(&arrays, PG_UUID, PG_INTEGER);
    pg_params_init(&params);
    for (size_t i = 0; i < count; i++) {
        standing[i] = AUDIT_UNKNOWN;
        if (!uid_is(ids[i]))
            continue;
        pg_array_add(&arrays.items[0], ids[i]);
        pg_array_add_int(&arrays.items[1], (int64_t)i);
    }
    if (!store_arrays_bind(&arrays, &params, fault))
        result = store_run(store, "audit_standing", standing_sql, &params, fault);
    store_arrays_release(&arrays);
    if (!result)
        return -1;
    for (int row = 0; row < PQntuples(result); row++) {
        size_t place = (size_t)pg_int(result, row, 0);
        if (tenant_id && strcmp(pg_text(result, row, 2), tenant_id))
            standing[place] = AUDIT_FOREIGN;
        else
            standing[place] = pg_bool(result, row, 1) ? AUDIT_OPEN : AUDIT_ENDED;
    }
    PQclear(result);
    return 0;
}
