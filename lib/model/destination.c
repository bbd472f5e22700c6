/*
 * destination - see destination.h
 */
#include "destination.h"
#include <stdlib.h>
#include <string.h>
#include "jdbc.h"
#include "json.h"

const char *const protocol_names[] = {"REST", "file", "exec", "null", "AMQP", "JDBC",
                                      "S3",   "HDFS", "SOAP", "SMTP", "SFTP", NULL};

struct destination *destination_ref(struct destination *destination)
{
    destination->references++;
    return destination;
}

bool destination_allows(const struct destination *destination, const char *tenant)
{
    json_t *name;
    size_t index;

    json_array_foreach (destination->tenants, index, name) {
        if (strcmp(json_string_value(name), tenant) == 0)
            return true;
    }
    return destination->tenants == NULL;
}

const char *destination_header(const struct destination *destination, const char *name)
{
    return json_find_name(destination->headers, name);
}

double destination_burst(const struct destination *destination)
{
    if (destination->rate_per_s <= 0)
        return 0;
    return destination->rate_per_s > 1 ? destination->rate_per_s : 1;
}

void destination_unref(struct destination *destination)
{
    if (!destination || --destination->references > 0)
        return;
    rendering_free(destination->rendering);
    jdbc_free(destination->jdbc);
    json_decref(destination->form);
    free(destination->name);
    free(destination->origin);
    free(destination->tenant);
    free(destination);
}
