#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# What a submitter may ask for: schedules, keys, superseding, cancelling, callbacks

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

setup() {
    unset DIST_IDEMPOTENCY_WINDOW
    sandbox_up >/dev/null
    standard_destinations
    for name in route transform deliver; do
        service_running "$name" || service_start "$name"
    done
}

standard_destinations() {
    rest_destination hook /in/hook
    rest_destination other /in/other
    rest_destination slow /in/slow/delay/1500
    rest_destination down /in/down/status/503 '{"retry_policy": {"max_attempts": 100, "max_backoff": "30s"}}'
    rest_destination open /in/open '{"allow_private": true}'
}

# submit ARGUMENTS...: a small report of tenant acme from standard input
submit() {
    dist-submit --tenant acme --type report "$@"
}

# field ID COLUMN: of a distribution
field() {
    sql "select $2 from distribution_jobs where distribution_id = '$1'"
}

callback_status() {
    dist-status --json "$1" | jq -r .callback.status
}

# --- schedules ---

@test "--delay: it is not routed before its time, also when Redis is emptied, and then delivered" {
    far=$(echo '{}' | submit --to hook --delay 1h)
    id=$(echo '{}' | submit --to hook --delay 5s)
    [ "$(field "$id" "status || ' ' || (due_at = scheduled_at)")" = "pending true" ]
    sandbox down redis --kill --wipe
    sandbox up redis
    run -0 dist-status --wait --timeout 30s "$id"
    grep -q '^scheduled  *20' <<<"$output"
    [ "$(sql "select bool_and(started_at >= scheduled_at) from distribution_attempts a
              join distribution_jobs j on j.id = a.distribution_job_id where distribution_id = '$id'")" = t ]
    [ "$(field "$far" status)" = pending ]
    dist-status --json "$far" | jq -e '.status == "pending" and (.scheduled_at | test("Z$"))'
    dist-submit --cancel --quiet "$far"
}

@test "--at is taken as a time, and an expiry as a duration counts from it" {
    at=$(date -u -d '+2 hours' +%Y-%m-%dT%H:%M:%SZ)
    id=$(echo '{}' | submit --to hook --at "$at" --expires 10m)
    [ "$(field "$id" "scheduled_at = '$at' and expires_at = scheduled_at + interval '10 min'")" = t ]
    dist-submit --cancel --quiet "$id"
    id=$(jq -nc '{payload: 1, destinations: ["hook"], options: {delay: "1h", timeout: 60}}' | submit --request)
    [ "$(field "$id" "extract(epoch from expires_at - scheduled_at)::integer")" = 60 ]
    dist-submit --cancel --quiet "$id"
}

@test "a schedule that makes no sense is refused by name" {
    run -64 submit --to hook --at tomorrow <<<'{}'
    [[ $output == *"--at tomorrow: an RFC 3339 time"* ]]
    run -64 submit --to hook --at 2030-01-01T00:00:00Z --delay 5m <<<'{}'
    [[ $output == *"exclude each other"* ]]
    run -65 submit --to hook --delay 2h --expires "$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)" <<<'{}'
    [[ $output == *"is not after the scheduled time"* ]]
    run -64 submit --to hook --delay 2h --pipe <<<'{}'
    [[ $output == *"a filter does not wait"* ]]
    run -65 submit --request --pipe <<<'{"payload": 1, "destinations": ["hook"], "options": {"delay": 60}}'
    [[ $output == *"a pipe does not wait"* ]]
}

# --- keys ---

@test "the same key and body give the first id within the window, and after it the key is free" {
    first=$(echo '{"k": 1}' | submit --to hook --idempotency-key window)
    run -0 --separate-stderr submit --to hook --idempotency-key window --json <<<'{"k": 1}'
    jq -e --arg id "$first" '.status == "duplicate" and .distribution_id == $id' <<<"$output"
    [[ $stderr == *"$first was accepted before"* ]]
    run -65 submit --to hook --idempotency-key window <<<'{"k": 2}'
    [[ $output == *"the idempotency key 'window' was used for another content"* ]]
    [ "$(sql "select extract(epoch from expires_at - taken_at)::integer from distribution_keys where key = 'window'")" = 86400 ]
    sql "update distribution_keys set expires_at = now() where key = 'window'"
    second=$(echo '{"k": 2}' | DIST_IDEMPOTENCY_WINDOW=2h submit --to hook --idempotency-key window)
    [ "$second" != "$first" ]
    [ "$(sql "select extract(epoch from expires_at - taken_at)::integer from distribution_keys where key = 'window'")" = 7200 ]
}

@test "a distribution_id of the client's obeys the same rule" {
    request='{"distribution_id": "mine-1", "payload": {"n": 1}, "destinations": ["hook"]}'
    [ "$(submit --request <<<"$request")" = mine-1 ]
    [ "$(submit --request <<<"$request" 2>/dev/null)" = mine-1 ]
    run -65 submit --request <<<"${request/\"n\": 1/\"n\": 2}"
    [ "$(sql "select count(*) from distribution_jobs where distribution_id = 'mine-1'")" = 1 ]
}

@test "--once-per: a later run of the period gives the first id, whatever its body" {
    export TZ=UTC
    first=$(echo '{"n": 1}' | submit --to hook --to other --once-per day)
    run -0 --separate-stderr submit --to other --to hook --once-per day <<<'{"n": 2}'
    [ "$output" = "$first" ]
    [[ $stderr == *"$first was accepted before"* ]]
    [ "$(echo '{}' | submit --to hook --once-per day)" != "$first" ]
    [ "$(echo '{}' | submit --to hook --to other --once-per month)" != "$first" ]
    [ "$(echo '{}' | dist-submit --tenant acme --type second --to hook --to other --once-per day)" != "$first" ]
    [ "$(sql "select idempotency_key from distribution_jobs where distribution_id = '$first'")" = \
        "once-per-day:$(date -u +%F):report:$(printf 'hook\0other\0' | sha256sum | cut -c1-32)" ]
    [ "$(sql "select k.expires_at - k.taken_at > interval '25 hours' from distribution_keys k
              join distribution_jobs j on j.id = k.job_id where distribution_id = '$first'")" = t ]
}

@test "--once-per: the period is that of the local time zone" {
    east=$(echo '{}' | TZ=EAST-14 dist-submit -t acme -T zones -d hook --once-per day)
    west=$(echo '{}' | TZ=WEST12 dist-submit -t acme -T zones -d hook --once-per day)
    [ "$east" != "$west" ]
    [ "$(echo '{}' | TZ=EAST-14 dist-submit -t acme -T zones -d hook --once-per day)" = "$east" ]
    run -64 submit --to hook --once-per day --ndjson </dev/null
    run -64 submit --to hook --once-per day --idempotency-key k </dev/null
    run -64 submit --to hook --once-per year </dev/null
}

# --- superseding and cancelling ---

@test "--supersede cancels what waits of older ones, what is in flight ends by its outcome" {
    first=$(echo '{"n": 1}' | submit --to slow --to down --supersede stock)
    wait_until 20 receiver_has /in/slow 1
    wait_until 20 receiver_has /in/down 1
    second=$(echo '{"n": 2}' | submit --to hook --delay 1h --supersede stock)
    run -1 dist-status --wait --timeout 20s "$first"
    [[ $output == *"superseded by $second"* ]]
    wait_until 20 is partial field "$first" status
    third=$(echo '{"n": 3}' | submit --to hook --supersede stock)
    [ "$(field "$second" "status || ': ' || error_message")" = "cancelled: superseded by $third" ]
    run -0 dist-status --wait --timeout 20s "$third"
    [ "$(sql "select string_agg(target || ' ' || d.status, ', ' order by target) from distribution_deliveries d
              join distribution_jobs j on j.id = d.job_id where distribution_id = '$first'")" = \
        "down cancelled, slow delivered" ]
}

@test "--cancel says what happened to each, and fails where nothing could be cancelled" {
    pending=$(echo '{}' | submit --to hook --delay 1h)
    waiting=$(echo '{}' | submit --to down --to hook)
    done=$(echo '{}' | submit --to hook --wait)
    wait_until 20 is 1 field "$waiting" delivered_deliveries
    run -0 dist-submit --cancel "$pending" "$waiting"
    [ "${lines[0]}" = "$pending: cancelled" ]
    [ "${lines[1]}" = "$waiting: cancelled (1 delivery)" ]
    [ "$(field "$pending" status) $(field "$waiting" status)" = "cancelled partial" ]
    run -0 dist-submit --cancel "$pending"
    [[ $output == *"was cancelled before" ]]
    run -1 --separate-stderr dist-submit --cancel "$done"
    [[ -z $output && $stderr == *"$done: had ended: completed"* ]]
    run -1 --separate-stderr dist-submit --cancel --json - <<<"no-such-one"$'\n\n'"$pending"
    [ "$(jq -r .result <<<"$output" | paste -sd ' ')" = "unknown cancelled" ]
    run -64 dist-submit --cancel
    run -64 dist-submit --cancel --to hook "$pending"
}

@test "a cancelled report that is in flight is delivered if it arrives, and its callback tells so" {
    id=$(echo '{}' | submit --to slow --callback "$RECEIVER_URL/in/cb-cancel")
    wait_until 20 is 1 sql "select count(*) from distribution_deliveries d join distribution_jobs j on j.id = d.job_id
        where distribution_id = '$id' and d.status = 'queued'"
    run -0 dist-submit --cancel "$id"
    wait_until 20 receiver_has /in/cb-cancel 1
    status=$(field "$id" status)
    [[ $status == cancelled || $status == completed ]]
}

# --- callbacks ---

@test "a callback is retried, carries the headers that the request gives, and logs none of them" {
    jq -nc --arg url "$RECEIVER_URL/in/cb-retried/fail/2/503/then/200" '{payload: 1, destinations: ["hook"],
        callback: {url: $url, headers: {"X-Api-Key": "SeCrEt-VaLuE"}}, distribution_id: "cb-1"}' |
        submit --request
    dist-status --wait --timeout 20s cb-1 >/dev/null
    wait_until 30 receiver_has /in/cb-retried 3
    [ "$(receiver_requests /in/cb-retried | jq -r '.headers["x-api-key"] // .headers["X-Api-Key"]' | sort -u)" = SeCrEt-VaLuE ]
    [ "$(receiver_distinct /in/cb-retried)" = 1 ]
    wait_until 20 is delivered sql "select d.status from distribution_deliveries d join distribution_jobs j
        on j.id = d.job_id where distribution_id = 'cb-1' and kind = 'callback'"
    run -0 dist-status --json cb-1
    jq -e '.callback.status == "success" and .callback.attempts == 3 and (.destinations | length) == 1' <<<"$output"
    run -0 dist-status cb-1
    grep -q '^callback .* delivered ' <<<"$output"
    run ! grep -r SeCrEt "$BATS_FILE_TMPDIR/services"
    [[ $output != *SeCrEt* ]]
}

@test "a callback that is refused for good is a dead letter, and a replay sends it" {
    id=$(echo '{}' | submit --to hook --callback "$RECEIVER_URL/in/cb-dead/fail/1/422/then/200")
    wait_until 20 is dead sql "select d.status from distribution_deliveries d join distribution_jobs j
        on j.id = d.job_id where distribution_id = '$id' and kind = 'callback'"
    run -0 dist-dlq list --json "$id"
    jq -e '.target == "callback" and .reason == "rejected"' <<<"$output"
    delivery=$(jq -r .delivery_id <<<"$output")
    dist-dlq show --body "$delivery" | jq -e --arg id "$id" '.distribution_id == $id and .status == "completed"'
    dist-status --json "$id" | jq -e '.status == "completed" and .callback.status == "failed"'
    dist-dlq replay "$delivery"
    wait_until 20 receiver_has /in/cb-dead 2
    wait_until 20 is success callback_status "$id"
}

@test "the address guard holds for callbacks" {
    service_stop deliver
    DIST_ALLOW_PRIVATE=0 service_start deliver
    id=$(echo '{}' | submit --to open --callback "$RECEIVER_URL/in/cb-guarded")
    dist-status --wait --timeout 20s "$id" >/dev/null
    wait_until 20 is dead sql "select d.status from distribution_deliveries d join distribution_jobs j
        on j.id = d.job_id where distribution_id = '$id' and kind = 'callback'"
    [ "$(receiver_count /in/cb-guarded)" = 0 ]
    run -0 dist-dlq list --json "$id"
    [[ $output == *"private"* || $output == *"loopback"* ]]
    service_stop deliver
    service_start deliver
}
