/*
 * store_outputs - what deliveries send in place of their bodies
 *
 * Rows of distribution_outputs belong to open deliveries, and are named in their column `outputs`, so that
 * those who have none cost nothing: the trigger of sql/0008-outputs.sql ends them with the delivery.
 *
 * Hard rule: the first output of a delivery for a destination is the one that every attempt sends, whoever
 * makes another.
 */
#include <stdlib.h>
#include <string.h>
#include "store_parts.h"
#include "strmap.h"
#include "xalloc.h"

// clang-format off
static const char save_sql[] =
    "WITH i AS MATERIALIZED ("
    "    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::bytea[])"
    "                  AS i (id, destination, content_type, headers, body)"
    "), l AS MATERIALIZED ("
    "    SELECT d.id FROM distribution_deliveries d"
    "    WHERE d.id = ANY ($1::uuid[]) AND " STORE_STATUS_IS("d.status", "queued")
    "    ORDER BY d.id FOR NO KEY UPDATE"
    "), added AS ("
    "    INSERT INTO distribution_outputs (delivery_id, destination, content_type, headers, body)"
    "    SELECT i.id, i.destination, i.content_type, i.headers, i.body FROM i JOIN l USING (id)"
    "    ON CONFLICT (delivery_id, destination) DO NOTHING"
    ") UPDATE distribution_deliveries d"
    " SET outputs = jsonb_build_object(i.destination, length(i.body)) || coalesce(d.outputs, '{}')"
    " FROM i JOIN l USING (id) WHERE d.id = i.id AND d.id = ANY ($1::uuid[])";

static const char load_sql[] =
    "SELECT o.delivery_id::text, o.content_type, o.headers::text, o.body"
    " FROM unnest($1::uuid[], $2::text[]) AS i (id, destination)"
    " JOIN distribution_outputs o ON o.delivery_id = i.id AND o.destination = i.destination"
    " WHERE o.delivery_id = ANY ($1::uuid[])";
// clang-format on

static int save(struct store *store, struct delivery *const *items, size_t count, struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    int status;

    store_arrays_init(&arrays, PG_UUID, PG_TEXT, PG_TEXT, PG_JSONB, PG_BYTEA);
    pg_params_init(&params);
    for (size_t i = 0; i < count; i++) {
        const struct output *output = delivery_output(items[i]);

        pg_array_add(&arrays.items[0], items[i]->id);
        pg_array_add(&arrays.items[1], output->destination);
        store_array_add_clean(&arrays.items[2], output->content_type);
        store_array_add_json(&arrays.items[3], output->headers);
        pg_array_add_bytes(&arrays.items[4], output->body, output->body_size);
    }
    status = store_arrays_bind(&arrays, &params, fault);
    if (!status) {
        status = pg_expect_bytes(store->pg, arrays.items[4].wire.len, fault);
        if (!status)
            status = store_change(store, "save_outputs", save_sql, &params, NULL, fault);
        store_expect_usual(store);
    }
    store_arrays_release(&arrays);
    return status;
}

int store_save_outputs(struct store *store, struct delivery *const *items, size_t count, struct fault *fault)
{
    enum { STATEMENT_BYTES = 256 * 1024 * 1024 };

    for (size_t at = 0, next; at < count; at = next) {
        size_t bytes = 0;

        for (next = at; next < count && next - at < STORE_CHUNK; next++) {
            bytes += delivery_output(items[next])->body_size;
            if (next > at && bytes > STATEMENT_BYTES)
                break;
        }
        if (save(store, items + at, next - at, fault))
            return -1;
    }
    return 0;
}

void store_read_outputs(struct delivery *delivery, const json_t *outputs)
{
    const char *candidate = delivery_candidate(delivery);
    const json_t *size = candidate ? json_object_get(outputs, candidate) : NULL;
    struct output output;

    if (!json_is_integer(size) || delivery->status != DELIVERY_QUEUED)
        return;
    output =
        (struct output){.destination = xstrdup(candidate), .body_size = (size_t)json_integer_value(size)};
    delivery_add_output(delivery, &output);
}

/* Text in a result of binary form. */
static char *copy_text(const PGresult *result, int row, int column)
{
    return xmemdupz(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

static void take_row(const PGresult *result, int row, struct strmap *places)
{
    struct delivery *delivery = strmap_get(places, PQgetvalue(result, row, 0));
    struct output *output = delivery ? delivery_output(delivery) : NULL;

    if (!output || output->body)
        return;
    output->content_type = copy_text(result, row, 1);
    if (!PQgetisnull(result, row, 2))
        output->headers =
            json_loadb(PQgetvalue(result, row, 2), (size_t)PQgetlength(result, row, 2), 0, NULL);
    output->body = copy_text(result, row, 3);
    output->body_size = (size_t)PQgetlength(result, row, 3);
}

int store_load_outputs(struct store *store, struct delivery *const *deliveries, size_t count,
                       struct fault *fault)
{
    struct store_arrays arrays;
    struct pg_params params;
    struct strmap places;
    PGresult *result = NULL;
    uint64_t bytes = 0;

    store_arrays_init(&arrays, PG_UUID, PG_TEXT);
    pg_params_init(&params);
    strmap_init(&places);
    for (size_t i = 0; i < count; i++) {
        pg_array_add(&arrays.items[0], deliveries[i]->id);
        pg_array_add(&arrays.items[1], delivery_candidate(deliveries[i]));
        strmap_put(&places, deliveries[i]->id, deliveries[i]);
        bytes += delivery_output(deliveries[i])->body_size;
    }
    if (!store_arrays_bind(&arrays, &params, fault))
        result = store_query_bodies(store, "load_outputs", load_sql, &params, bytes, fault);
    store_arrays_release(&arrays);
    for (int row = 0; result && row < PQntuples(result); row++)
        take_row(result, row, &places);
    strmap_release(&places, NULL);
    PQclear(result);
    return result ? 0 : -1;
}
