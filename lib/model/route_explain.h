/*
 * route_explain - how a distribution was routed, for programs and for people
 *
 *   {"distribution_id":"d-1","tenant_id":"acme","data_type":"report",
 *    "rules":[{"rule":"eu","origin":"rules.d/eu.json","look":"matched","text":"to g; stops"},
 *             {"rule":"big","origin":"rules.d/big.json","look":"missed","path":"/payload/total","text":"..."}],
 *    "stopped_by":"eu","set":{"priority":"high","by":{"priority":"eu"}},
 *    "targets":[{"target":"g","source":"rule","rule":"eu","policy":"weighted","candidates":["a","b"],
 *                "dropped":[{"name":"b","reason":"its breaker is open","last":true}],"status":"waiting"}]}
 *
 * Members without a value are absent. Texts of rules may quote the event: not for logs. Pure.
 */
#ifndef DIST_ROUTE_EXPLAIN_H
#define DIST_ROUTE_EXPLAIN_H

#include <jansson.h>
#include "buf.h"
#include "delivery.h"
#include "job.h"
#include "route.h"

/* All of it as it came out of route_job(): the job, its deliveries and the explanation. The caller's. */
json_t *route_explain_json(const struct job *job, const struct delivery_list *deliveries,
                           const struct route_explanation *explanation);
/* The same in lines, with an empty one behind them. */
void route_explain_text(const struct job *job, const struct delivery_list *deliveries,
                        const struct route_explanation *explanation, struct buf *out);

#endif
