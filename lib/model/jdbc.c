/*
 * jdbc - see jdbc.h
 */
#include "jdbc.h"

#include <stdlib.h>
#include "xalloc.h"

struct jdbc *jdbc_new(void)
{
    struct jdbc *jdbc = xcalloc(1, sizeof *jdbc);

    jdbc->batch_size = JDBC_BATCH_DEFAULT;
    jdbc->isolation = "READ COMMITTED";
    return jdbc;
}

void jdbc_free(struct jdbc *jdbc)
{
    if (!jdbc)
        return;
    jdbc_url_release(&jdbc->url);
    for (size_t i = 0; i < jdbc->column_count; i++)
        path_release(&jdbc->columns[i].path);
    free(jdbc->columns);
    free(jdbc->values);
    free(jdbc->schema);
    free(jdbc->table);
    free(jdbc);
}
