/*
 * describe - see describe.h
 */
#include "describe.h"

#include "clock.h"

int describe_job(const struct job *job, const char *status, const char *distribution_id, struct buf *out,
                 struct fault *fault)
{
    json_t *names = json_array();
    char time[CLOCK_TEXT_SIZE];
    size_t i;
    json_t *target;

    json_array_foreach (job->destinations, i, target)
        json_array_append(names, json_object_get(target, "name"));
    json_t *line = json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:I, s:s*}", "distribution_id", distribution_id,
                             "status", status, "tenant_id", job->tenant_id, "data_type", job->data_type,
                             "destinations", names, "content_type", job->content_type, "size",
                             (json_int_t)job->body_size, "idempotency_key", job->idempotency_key);
    if (line && job->scheduled_at_us)
        json_object_set_new(line, "scheduled_at", json_string(clock_format(job->scheduled_at_us, time)));
    int result = line ? json_write(line, out) : -1;
    json_decref(line);
    if (result < 0 || buf_addc(out, '\n') < 0)
        return fault_set(fault, FAULT_BUG, "the description of a job does not fit its buffer");
    return 0;
}
