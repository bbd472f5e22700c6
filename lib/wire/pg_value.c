/*
 * pg_value - parameters and fields: the part of pg.h that needs no connection
 */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "pg.h"
#include "xalloc.h"

void pg_params_init(struct pg_params *params)
{
    params->count = 0;
}

static int next_param(struct pg_params *params)
{
    if (params->count == PG_PARAMS_MAX)
        abort(); /* a statement of ours with more parameters than there is room for */
    return params->count++;
}

void pg_param_text(struct pg_params *params, const char *text)
{
    int i = next_param(params);

    params->values[i] = text;
    params->lengths[i] = text ? (int)strnlen(text, INT_MAX) : 0;
    params->formats[i] = 0;
}

void pg_param_bytes(struct pg_params *params, const void *data, size_t size)
{
    int i = next_param(params);

    if (size > INT_MAX)
        abort(); /* LIMIT_PAYLOAD_CEILING is far below */
    params->values[i] = size ? data : "";
    params->lengths[i] = (int)size;
    params->formats[i] = 1;
}

void pg_param_int(struct pg_params *params, int64_t number)
{
    int i = next_param(params);

    params->lengths[i] = snprintf(params->scratch[i], sizeof params->scratch[i], "%" PRId64, number);
    params->values[i] = params->scratch[i];
    params->formats[i] = 0;
}

void pg_param_bool(struct pg_params *params, bool value)
{
    pg_param_text(params, value ? "t" : "f");
}

void pg_param_time(struct pg_params *params, int64_t wall_us)
{
    if (wall_us)
        pg_param_int(params, wall_us);
    else
        pg_param_text(params, NULL);
}

bool pg_null(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) != 0;
}

const char *pg_text(const PGresult *result, int row, int column)
{
    return PQgetvalue(result, row, column);
}

char *pg_text_copy(const PGresult *result, int row, int column)
{
    if (pg_null(result, row, column))
        return NULL;
    return xmemdupz(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

int64_t pg_int(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

bool pg_bool(const PGresult *result, int row, int column)
{
    return PQgetvalue(result, row, column)[0] == 't';
}
