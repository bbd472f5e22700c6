#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# The conservation oracle: nothing is a break while all is well, and each kind of break is found and named

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up
    tenant acme beta
    export DIST_LEASE=11s # an id is overdue 10 s after it
    rest_destination hook /in/hook '{"concurrency": 50}'
    rest_destination strict /in/strict/status/422
    rest_destination flaky /in/flaky/fail/3/503/then/200 '{"retry_policy": {"max_backoff": "100ms"}}'
    services_start
}

teardown_file() {
    services_stop
    sandbox_down
}

setup() {
    start
}

# start: those of the services that do not run
start() {
    local name
    for name in route transform deliver; do
        service_running "$name" || service_start "$name"
    done
}

# submit TENANT TYPE NUMBER TARGET...: so many small reports
submit() {
    local targets=() target
    for target in "${@:4}"; do
        targets+=(--to "$target")
    done
    seq 1 "$3" | jq -c '{n: .}' | dist-submit --tenant "$1" --type "$2" "${targets[@]}" --ndjson --quiet
}

none_open() {
    is 0 sql "select count(*) from distribution_jobs where status in ('pending', 'routed')"
}

# quiet TYPE: ten delivered distributions, and no service that could mend what a test breaks
quiet() {
    submit acme "$1" 10 hook
    wait_until 30 none_open
    services_stop
}

# broken NUMBER REASON...: the audit ends with 1 and names so many, each with one of these reasons
broken() {
    local number=$1 reason
    shift
    run -1 dist-admin audit
    [ "${lines[-1]}" = "dist_unaccounted $number" ]
    for reason; do
        grep -q -- ": $reason\$" <<<"$output" || fail "not told: $reason"$'\n'"$output"
    done
}

@test "delivered, dead and open ones are all accounted for, and the sums are right" {
    submit acme sums 20 hook strict flaky
    wait_until 30 none_open
    run -0 dist-admin audit --json
    jq -e '.dist_unaccounted == 0 and .distributions == 20 and .targets.accepted == 60 and
        .targets.delivered == 40 and .targets.dead == 20 and .attempts.made == 63 and
        .attempts.delivered_again == 0 and .redis.ids == 0 and .redis.entries == 0' <<<"$output"
    run -0 dist-admin audit
    grep -Eq '^targets +60$' <<<"$output"
    [ "${lines[-1]}" = "dist_unaccounted 0" ]
}

@test "an audit under load finds nothing: what is under way is no break" {
    submit acme load 1500 hook flaky &
    local audits=0
    until none_open && ((audits > 2)) && ! kill -0 $! 2>/dev/null; do
        run dist-admin audit
        [ "$status" = 0 ] || fail "$output"
        audits=$((audits + 1))
    done
    wait
    run -0 dist-admin audit --json
    jq -e '.targets.accepted == .targets.delivered + .targets.dead' <<<"$output"
}

@test "a tenant's audit is about that tenant, and an unknown one is refused" {
    submit beta own 3 hook
    wait_until 30 none_open
    run -0 dist-admin audit --json --tenant beta
    jq -e '.distributions == 3 and .targets.delivered == 3' <<<"$output"
    run -65 dist-admin audit --tenant bete
    [[ $output == *"did you mean 'beta'"* ]]
    dist-admin tenant disable beta
    run -0 dist-admin audit --tenant beta
    dist-admin tenant enable beta
}

@test "a delivery that is gone, and a counter that is wrong" {
    quiet gone
    sql "delete from distribution_deliveries where id in (select d.id from distribution_deliveries d
         join distribution_jobs j on j.id = d.job_id where data_type = 'gone' order by d.id limit 1)"
    broken 2 'its counter of total deliveries is 1, and there are 0' 'it is completed and has no delivery'
    sql "delete from distribution_jobs where data_type = 'gone'"
    run -0 dist-admin audit
}

@test "a target of several without a delivery" {
    submit acme some 1 hook strict
    wait_until 30 none_open
    services_stop
    sql "delete from distribution_deliveries where target = 'strict' and job_id in
         (select id from distribution_jobs where data_type = 'some')"
    sql "update distribution_jobs set total_deliveries = 1, dead_deliveries = 0, status = 'completed'
         where data_type = 'some'"
    broken 1 '1 of its 2 targets have no delivery'
    sql "delete from distribution_jobs where data_type = 'some'"
}

@test "a status that its deliveries do not give" {
    quiet status
    sql "update distribution_jobs set status = 'failed' where data_type = 'status' and id =
         (select min(id::text)::uuid from distribution_jobs where data_type = 'status')"
    broken 1 'it is failed, and by its deliveries it should be completed'
    sql "update distribution_jobs set status = 'completed' where data_type = 'status'"
    run -0 dist-admin audit
}

@test "what is to be routed and not among it, and what nobody would see expire" {
    services_stop
    submit acme lost 2 hook
    sql "delete from distribution_pending"
    broken 2 'it is pending, and not among what is to be routed'
    sql "delete from distribution_jobs where data_type = 'lost'"
    submit acme ageless 1 hook
    start
    wait_until 30 none_open
    services_stop
    local ageless="job_id in (select id from distribution_jobs where data_type = 'ageless')"
    sql "update distribution_deliveries set status = 'waiting', due_at = now() where $ageless"
    sql "update distribution_deliveries set expires_at = null where $ageless"
    broken 2 '1 of its open deliveries would not be seen to expire' 'it is waiting, and an attempt delivered it'
    sql "delete from distribution_jobs where data_type = 'ageless'"
    run -0 dist-admin audit
}

@test "attempts: a gap, a success without one, one without its success, and duplicates that are no break" {
    quiet attempts
    local one="(select id from distribution_jobs where data_type = 'attempts' order by id limit 1)"
    sql "update distribution_deliveries set attempts = 3 where job_id = $one"
    broken 1 '2 of its 3 attempts are not recorded'
    sql "update distribution_deliveries set attempts = 1 where job_id = $one"
    sql "update distribution_attempts set status = 'deferred' where distribution_job_id = $one"
    broken 1 'it is delivered, and no attempt says so'
    sql "update distribution_attempts set status = 'delivered' where distribution_job_id = $one"
    sql "insert into distribution_attempts (distribution_job_id, delivery_id, destination_name, attempt_number,
            status, started_at) select distribution_job_id, delivery_id, destination_name, attempt_number, status,
            started_at from distribution_attempts where distribution_job_id = $one"
    run -0 dist-admin audit --json
    jq -e '.attempts.delivered_again == 1 and .attempts.repeated == 1' <<<"$output"
    sql "delete from distribution_jobs where id = $one"
}

@test "what is queued, long overdue and not in Redis is lost; what is not that late will be swept" {
    services_stop
    submit acme lost 5 hook
    service_start route
    wait_until 10 is 5 sql "select count(*) from distribution_deliveries d join distribution_jobs j on j.id = d.job_id
        where data_type = 'lost' and d.status = 'queued'"
    service_stop route
    redis FLUSHALL
    run -0 dist-admin audit
    sql "update distribution_deliveries set due_at = now() - interval '1 hour' where status = 'queued'"
    broken 5 'it is queued and long overdue, and Redis does not have it'
    run -1 dist-admin audit --json
    [ "$(jq -rs 'map(select(.kind == "delivery")) | length' <<<"$output")" = 5 ]
    start
    wait_until 30 none_open
    run -0 dist-admin audit
}

@test "the pending distribution that comes next, which Redis does not have and nobody looks at" {
    services_stop
    submit acme pending 2 hook
    redis FLUSHALL
    run -0 dist-admin audit
    sql "update distribution_jobs set due_at = now() - interval '1 hour' where status = 'pending'"
    broken 1 'it is pending and long overdue, and Redis does not have it'
    start
    wait_until 30 none_open
}

@test "Redis: an id that PostgreSQL does not know, a record without entry, an ended id that will be dropped" {
    quiet redis
    local stream='dist:{0}:ready:hook:acme:normal' ended entry
    ended=$(sql "select d.id from distribution_deliveries d join distribution_jobs j on j.id = d.job_id
        where data_type = 'redis' order by d.id limit 1")
    entry=$(redis XADD "$stream" '*' id nobody)
    redis SET 'dist:{0}:d:nobody' "0 $entry  $stream"
    broken 1 'it is in Redis, and PostgreSQL does not know it'
    redis DEL 'dist:{0}:d:nobody'
    run -0 dist-admin audit --json
    jq -e '.redis.entries == 1 and .redis.unnamed == 1' <<<"$output"
    redis DEL "$stream"
    redis SET "dist:{3}:d:$ended" "0 1-1  $stream"
    broken 1 'it has ended, and its record in Redis has no entry'
    redis DEL "dist:{3}:d:$ended"
    entry=$(redis XADD "$stream" '*' id "$ended")
    redis SET "dist:{0}:d:$ended" "0 $entry  $stream"
    run -0 dist-admin audit --json
    jq -e '.redis.ids == 1 and .redis.leaving == 1' <<<"$output"
    redis FLUSHALL
}

@test "a server that is away is named, and the exit code says so" {
    sandbox down redis --kill
    run -69 dist-admin audit
    [[ $output == *edis* ]]
    sandbox up redis
}
