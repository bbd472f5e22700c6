/*
 * transform - the formats that keep the bytes, one function per format
 *
 * Hard rule: a format that does not change the body does not touch its bytes (I7).
 */
#include <stdlib.h>
#include "transform.h"
#include "xalloc.h"

typedef int format_function(struct delivery *delivery, struct fault *fault);

static int keep(struct delivery *delivery, struct fault *fault)
{
    (void)delivery;
    (void)fault;
    return 0;
}

static int demand_json(struct delivery *delivery, struct fault *fault)
{
    if (json_check(delivery->job->body, delivery->job->body_size, NULL, fault))
        return fault_wrap(fault, "the body is no JSON");
    delivery->content_type = xstrdup(JOB_DEFAULT_TYPE);
    return 0;
}

int transform_delivery(const struct rendering *rendering, struct delivery *delivery, struct fault *fault)
{
    static format_function *const formats[FORMAT_COUNT] = {
        [FORMAT_IDENTITY] = keep,
        [FORMAT_RAW] = keep,
        [FORMAT_JSON] = demand_json,
    };

    free(delivery->content_type);
    delivery->content_type = NULL;
    return formats[rendering->plain](delivery, fault);
}

bool transform_needs_body(const struct rendering *rendering)
{
    return !rendering_is_plain(rendering) || rendering->plain == FORMAT_JSON;
}
