#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# The same job against servers: Redis Streams, PostgreSQL and the three services

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up
    tenant acme
    standard_destinations
    services_start
}

teardown_file() {
    services_stop
    sandbox_down
}

# A test that failed in the middle is not to take the others with it.
setup() {
    local name
    sandbox_up >/dev/null
    standard_destinations
    for name in route transform deliver; do
        service_running "$name" || service_start "$name"
    done
    services_reload
}

standard_destinations() {
    rest_destination ops-hook /in/ops
    rest_destination json-answer /in/answer/json
    rest_destination flaky /in/flaky/each/fail/2/503/then/200 '{"retry_policy": {"max_backoff": "100ms"}}'
    rest_destination broken /in/broken/status/503 '{"retry_policy": {"max_attempts": 2, "max_backoff": "100ms"}}'
    rest_destination down /in/down/status/503 '{"retry_policy": {"max_attempts": 100, "max_backoff": "500ms"}}'
    rest_destination strict /in/strict/status/422
    rest_destination many /in/many '{"concurrency": 50}'
    destination archive '{"protocol": "file", "path": "'"$BATS_FILE_TMPDIR"'/{distribution_id}.json"}'
}

# services_reload: SIGHUP, and until each service has read the destinations again (or refused to)
services_reload() {
    local name before
    for name in route transform deliver; do
        before=$(service_reloads "$name")
        kill -HUP "$(service_pid "$name")"
        wait_until 10 service_reloaded "$name" "$before"
    done
}

service_reloads() {
    grep -cE 'have been read again|in force stay' "$(service_log "$1")" || true
}

service_reloaded() {
    (($(service_reloads "$1") > $2))
}

# submit ARGUMENTS...: a small report of tenant acme from standard input
submit() {
    dist-submit --tenant acme --type disk_report "$@"
}

# queues_empty: nothing is left in Redis but its epoch, and the holds of destinations that have failed
queues_empty() {
    is 'dist:{0}:epoch' keys_but_holds
}

keys_but_holds() {
    redis --raw KEYS '*' | grep -vxF 'dist:{0}:holds'
}

# completed TYPE: how many distributions of this data type are completed
completed() {
    sql "select count(*) from distribution_jobs where status = 'completed' and data_type = '$1'"
}

@test "submit prints one id, and the delivery is in status with its attempt" {
    id=$(echo '{"a": 1}' | submit --to ops-hook)
    [[ $id =~ ^[0-9a-f-]{36}$ ]]
    run -0 dist-status --wait --timeout 10s "$id"
    [[ $output == *"status        completed (100 %)"* ]]
    grep -Eq '^ops-hook +1 +delivered +200 ' <<<"$output"
}

@test "the response document has the members of the specification" {
    id=$(echo '{}' | submit --to json-answer)
    dist-status --wait --timeout 10s --json "$id" >"$BATS_TEST_TMPDIR/doc"
    jq -e --arg id "$id" '
        .["$schema"] == "https://zenia.io/schemas/distribution-response-v1.json" and .distribution_id == $id and
        .status == "completed" and (.submitted_at | test("Z$")) and (.completed_at | test("Z$")) and
        .destinations[0].name == "json-answer" and .destinations[0].status == "success" and
        .destinations[0].attempts == 1 and .destinations[0].response.status_code == 200 and
        .destinations[0].response.body.accepted == true and
        (.metrics | has("total_latency_ms") and has("processing_time_ms") and has("network_time_ms")) and
        .errors == []' "$BATS_TEST_TMPDIR/doc"
}

@test "a whole request document is taken, every field honoured" {
    jq -n --arg url "$RECEIVER_URL/in/inline" '{
        "$schema": "https://zenia.io/schemas/distribution-request-v1.json", distribution_id: "dist-uuid-123",
        tenant_id: "acme", timestamp: "2024-01-15T10:00:00Z", data_type: "aggregated_report", priority: "high",
        payload: {report_id: "rpt-456", metrics: {}}, options: {retry_policy: "none", timeout: 300,
        idempotency_key: "idem-123"},
        destinations: [{name: "ms09-reporter", protocol: "REST", endpoint: $url, format: "json"}]}' \
        >"$BATS_TEST_TMPDIR/request"
    run -0 dist-submit --request "$BATS_TEST_TMPDIR/request"
    [ "$output" = dist-uuid-123 ]
    run -0 dist-status --wait --timeout 10s --json dist-uuid-123
    [ "$(receiver_count /in/inline)" = 1 ]
    [ "$(sql "select priority||' '||data_type||' '||(payload->>'report_id') from distribution_jobs
              where distribution_id = 'dist-uuid-123'")" = "high aggregated_report rpt-456" ]
}

@test "the same idempotency key and body give the first id, another body is refused" {
    first=$(echo '{"k": 1}' | submit --to ops-hook --idempotency-key once)
    [ "$(echo '{"k": 1}' | submit --to ops-hook --idempotency-key once 2>/dev/null)" = "$first" ]
    echo '{"k": 2}' | run -65 submit --to ops-hook --idempotency-key once
    dist-status --wait --timeout 10s "$first" >/dev/null
    [ "$(sql "select count(*) from distribution_jobs where idempotency_key = 'once'")" = 1 ]
}

@test "retries are made by the due pump, each recorded" {
    id=$(echo '{}' | submit --to flaky)
    run -0 dist-status --wait --timeout 20s --json "$id"
    jq -e '.destinations[0].attempts == 3' <<<"$output"
    [ "$(sql "select string_agg(a.status, ' ' order by attempt_number) from distribution_attempts a
              join distribution_jobs j on j.id = a.distribution_job_id where j.distribution_id = '$id'")" = \
        "deferred deferred delivered" ]
}

@test "a dead letter is listed, shown, replayed with its history, and a dropped one is cancelled" {
    id=$(echo '{"dead": true}' | submit --to broken)
    run -1 dist-status --wait --timeout 20s "$id"
    run -0 dist-dlq list --json "$id"
    jq -e '.reason == "exhausted" and .attempts == 2' <<<"$output"
    delivery=$(jq -r .delivery_id <<<"$output")
    [ "$(dist-dlq show --body "$delivery")" = '{"dead": true}' ]
    run -0 dist-dlq replay --dry-run "$delivery"
    [ "${lines[-1]}" = "1 would be replayed" ]
    rest_destination broken /in/mended
    services_reload
    [[ $(dist-dlq list --json "$id" | dist-dlq replay -) == "1 replayed, batch "* ]]
    run -0 dist-status --wait --timeout 10s --json "$id"
    jq -e '.destinations[0].attempts == 3' <<<"$output"
    other=$(echo '{}' | submit --to strict)
    run -1 dist-status --wait --timeout 10s "$other"
    run -0 dist-dlq drop "$(dist-dlq list --json "$other" | jq -r .delivery_id)"
    [ "$(sql "select d.status from distribution_deliveries d join distribution_jobs j on j.id = d.job_id
              where distribution_id = '$other'")" = cancelled ]
}

@test "several targets: partial, and each destination on its own" {
    id=$(echo '{}' | submit --to ops-hook --to strict --to archive)
    run -1 dist-status --wait --timeout 10s --json "$id"
    run -0 dist-status --json "$id"
    jq -e '.status == "partial" and ([.destinations[] | {(.name): .status}] | add) ==
        {"ops-hook": "success", "strict": "failed", "archive": "success"} and (.errors | length) == 1' <<<"$output"
}

@test "the callback gets the response document when the job has ended" {
    id=$(echo '{}' | submit --to ops-hook --callback "$RECEIVER_URL/in/callback")
    wait_until 10 receiver_has /in/callback 1
    dist-status --wait --timeout 10s "$id" >/dev/null
}

@test "an expired delivery is expired, not dead" {
    id=$(echo '{}' | submit --to down --expires 2s)
    run -1 dist-status --wait --timeout 20s "$id"
    run -0 dist-status --json "$id"
    jq -e '.status == "expired"' <<<"$output"
}

@test "a list with filters" {
    echo '{}' | dist-submit --tenant acme --type special --to ops-hook --wait --timeout 10s
    run -0 dist-status --list --type special --status completed --json
    jq -e '.destinations[0].name == "ops-hook"' <<<"$output"
    run -0 dist-status --list --type nosuch
    [ -z "$output" ]
}

@test "nothing half stored: a bad batch stores its good records and names the bad ones" {
    before=$(sql "select count(*) from distribution_jobs")
    printf '%s\n' '{"a":1}' '{"a":1,"a":2}' '{"b":"\u0000"}' '[1,2' '{"c":3}' >"$BATS_TEST_TMPDIR/in"
    run -1 --separate-stderr submit --to ops-hook --ndjson "$BATS_TEST_TMPDIR/in"
    [ "$(wc -l <<<"$output")" = 2 ]
    [ "$(grep -c 'in:[234]: ' <<<"$stderr")" = 3 ]
    [ "$(sql "select count(*) from distribution_jobs")" = $((before + 2)) ]
}

@test "ten thousand arrive, ten thousand are completed, and the queues are empty" {
    seq 1 10000 | jq -c '{n: ., text: "x"}' | dist-submit --tenant acme --type ten --to many --ndjson >"$BATS_TEST_TMPDIR/ids"
    [ "$(sort -u "$BATS_TEST_TMPDIR/ids" | wc -l)" = 10000 ]
    wait_until 120 is 10000 completed ten
    [ "$(receiver_distinct /in/many)" = 10000 ]
    wait_until 10 queues_empty
}

@test "Redis killed with its data while 2000 are in flight: all arrive, without a hand" {
    rest_destination many /in/wipe/delay/20 '{"concurrency": 10}'
    services_reload
    seq 1 2000 | jq -c '{n: .}' | dist-submit --tenant acme --type wipe --to many --ndjson --quiet
    wait_until 30 receiver_has /in/wipe 50
    sandbox down redis --kill --wipe
    sandbox up redis
    wait_until 120 is 2000 completed wipe
    [ "$(receiver_distinct /in/wipe)" = 2000 ]
    wait_until 20 queues_empty
}

@test "Redis away: a submission is accepted all the same, and delivered when it is back" {
    sandbox down redis --kill
    id=$(echo '{}' | submit --to ops-hook)
    sandbox up redis
    run -0 dist-status --wait --timeout 30s "$id"
}

@test "PostgreSQL away: submit says which server and exits 75; the services wait for it" {
    sandbox down postgres --kill
    run -75 --separate-stderr submit --to ops-hook <<<'{}'
    [[ $stderr == *PostgreSQL* ]]
    [ -z "$output" ]
    sandbox up postgres
    service_running deliver
    id=$(echo '{}' | submit --to ops-hook)
    run -0 dist-status --wait --timeout 30s "$id"
}

@test "every service killed in the middle: nothing is lost" {
    rest_destination many /in/killed/delay/5 '{"concurrency": 20}'
    services_stop
    export DIST_LEASE=11s # what a killed worker held comes back after it
    services_start
    seq 1 1000 | jq -c '{n: .}' | dist-submit --tenant acme --type killed --to many --ndjson --quiet
    wait_until 30 receiver_has /in/killed 20
    for name in route transform deliver; do
        service_stop "$name" KILL
    done
    services_start
    wait_until 120 is 1000 completed killed
    [ "$(receiver_distinct /in/killed)" = 1000 ]
    wait_until 30 queues_empty
}

@test "SIGTERM under load: what is in flight ends, nothing is sent twice" {
    rest_destination many /in/term/delay/50 '{"concurrency": 20}'
    services_reload
    seq 1 300 | jq -c '{n: .}' | submit --to many --ndjson --quiet
    wait_until 30 receiver_has /in/term 20
    services_stop
    services_start
    wait_until 60 receiver_has /in/term 300
    wait_until 20 queues_empty
    [ "$(receiver_count /in/term)" = 300 ]
}

@test "what needs no transformation goes on without dist-transform; anything else waits for it" {
    destination checked "$(jq -c '. + {format: "json"}' "$DIST_CONFIG_DIR/destinations.d/many.json")"
    destination closed "$(jq -c '. + {disabled: true}' "$DIST_CONFIG_DIR/destinations.d/many.json")"
    services_reload
    service_stop transform
    straight=$(echo '{}' | submit --to many)
    mixed=$(echo '{}' | submit --to many --to checked)
    off=$(echo '{}' | submit --to closed)
    run -0 dist-status --wait --timeout 10s "$straight"
    for id in "$mixed" "$off"; do
        wait_until 10 is 1 sql "select count(distinct d.status) from distribution_deliveries d join distribution_jobs j
            on j.id = d.job_id where j.distribution_id = '$id' and d.status = 'queued'"
    done
    service_start transform
    run -0 dist-status --wait --timeout 10s "$mixed"
    wait_until 10 is waiting sql "select d.status from distribution_deliveries d join distribution_jobs j
        on j.id = d.job_id where j.distribution_id = '$off'"
    dist-submit --cancel "$off"
    rm "$DIST_CONFIG_DIR"/destinations.d/{checked,closed}.json
}

@test "a reload with a mistake in it is refused whole, and the old destinations stay" {
    destination ops-hook '{"protocol": "REST", "endpoind": "x"}'
    services_reload
    service_running deliver
    standard_destinations
    id=$(echo '{}' | submit --to ops-hook)
    run -0 dist-status --wait --timeout 10s "$id"
}

@test "status --queues shows lanes and destinations, as a table and as JSON" {
    rest_destination many /in/queued/hang '{"concurrency": 1}'
    services_reload
    seq 1 5 | jq -c '{n: .}' | submit --to many --ndjson --quiet
    wait_until 10 receiver_has /in/queued 1
    run -0 dist-status --queues
    grep -Eq '^ready:many:acme:normal +5 +[01]' <<<"$output"
    dist-status --queues --json | jq -e '.destinations[] | select(.destination == "many") | .queued == 5'
}

@test "doctor reaches every server" {
    run -0 dist-admin doctor
    [[ $output == *"PostgreSQL"* && $output == *"edis"* ]]
}
