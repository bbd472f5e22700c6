#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# What a submitter may ask for: schedules, keys, superseding, cancelling, the spool, callbacks

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
    export DIST_SPOOL_DIR=$BATS_TEST_TMPDIR/spool
    unset DIST_SPOOL_MAX DIST_IDEMPOTENCY_WINDOW
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

# away COMMAND...: with a PostgreSQL that cannot be reached
away() {
    DB_PORT=1 "$@"
}

# field ID COLUMN: of a distribution
field() {
    sql "select $2 from distribution_jobs where distribution_id = '$1'"
}

callback_status() {
    dist-status --json "$1" | jq -r .callback.status
}

spooled_files() {
    find "$DIST_SPOOL_DIR" -maxdepth 1 -name '*.job' | wc -l
}

# --- schedules ---

@test "--delay: it is not routed before its time, also when Redis is emptied, and then delivered" {
    far=$(echo '{}' | submit --to hook --delay 1h)
    id=$(echo '{}' | submit --to hook --delay 3s)
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

# --- PostgreSQL away ---

@test "without a spool: 75, and the message names the server" {
    unset DIST_SPOOL_DIR
    run -75 --separate-stderr away submit --to hook <<<'{}'
    [[ -z $output && $stderr == *"PostgreSQL at "*":1 (database"* ]]
}

@test "with a spool: the id is printed, and the flush makes it a distribution of that id" {
    run -0 --separate-stderr away submit --to hook --json <<<'{"n": 7}'
    [ "$(jq -r .status <<<"$output")" = spooled ]
    id=$(jq -r .distribution_id <<<"$output")
    [[ $stderr == *"PostgreSQL at "* && $stderr == *"spooled in $DIST_SPOOL_DIR"* ]]
    [ "$(stat -c %a "$DIST_SPOOL_DIR")" = 700 ]
    [ "$(stat -c %a "$DIST_SPOOL_DIR/$id.job")" = 600 ]
    run -75 away dist-submit --flush-spool
    [ "$(spooled_files)" = 1 ]
    cp -p "$DIST_SPOOL_DIR/$id.job" "$BATS_TEST_TMPDIR/kept"
    run -0 dist-submit --flush-spool
    [ "$output" = "$id" ]
    [ "$(spooled_files)" = 0 ]
    dist-status --wait --timeout 20s "$id"
    # As after a crash between the commit and the removal.
    mv "$BATS_TEST_TMPDIR/kept" "$DIST_SPOOL_DIR/$id.job"
    run -0 dist-submit --flush-spool
    [ "$output" = "$id" ]
    [ "$(field "$id" "count(*)")$(spooled_files)" = 10 ]
    run -0 dist-submit --flush-spool
    [ -z "$output" ]
}

@test "the spool keeps everything that a request says" {
    jq -nc --arg url "$RECEIVER_URL/in/spooled-cb" '{distribution_id: "spooled-1", tenant_id: "acme",
        data_type: "second", priority: "high", payload_base64: "AAH/", content_type: "application/octet-stream",
        destinations: ["hook"], metadata: {a: "b"}, timestamp: "2024-01-15T10:00:00Z",
        callback: {url: $url, headers: {"X-Key": "k"}},
        options: {idempotency_key: "spooled", supersede: "s", retry_policy: "none", timeout: 300, delay: 1}}' |
        away dist-submit --request
    [ "$(dist-submit --flush-spool)" = spooled-1 ]
    [ "$(field spooled-1 "concat_ws(' ', tenant_id, data_type, priority, encode(body, 'hex'), content_type, metadata,
        callback_headers, idempotency_key, supersede_key, retry_policy, requested_at = '2024-01-15T10:00:00Z',
        expires_at - scheduled_at, scheduled_at - created_at)")" = \
        'acme second high 0001ff application/octet-stream {"a": "b"} {"X-Key": "k"} spooled s none t 00:05:00 00:00:01' ]
    dist-status --wait --timeout 20s spooled-1
}

@test "a batch whose server goes away in the middle: what was not committed is spooled, none is lost or doubled" {
    mkfifo "$BATS_TEST_TMPDIR/lines"
    dist-submit --tenant acme --type batch --to hook --delay 1h --ndjson "$BATS_TEST_TMPDIR/lines" \
        >"$BATS_TEST_TMPDIR/ids" 2>"$BATS_TEST_TMPDIR/said" 3>&- &
    pid=$!
    exec {lines}>"$BATS_TEST_TMPDIR/lines"
    seq 1 700 | jq -c '{n: .}' >&"$lines"
    wait_until 20 is 700 sql "select count(*) from distribution_jobs where data_type = 'batch'"
    sandbox down postgres --kill
    seq 701 2000 | jq -c '{n: .}' >&"$lines"
    exec {lines}>&-
    wait "$pid"
    [ "$(sort -u "$BATS_TEST_TMPDIR/ids" | wc -l)" = 2000 ]
    [ "$(spooled_files)" = 1300 ]
    grep -q 'spooled in' "$BATS_TEST_TMPDIR/said"
    sandbox up postgres
    dist-submit --flush-spool >"$BATS_TEST_TMPDIR/flushed"
    # In the order in which they were given.
    diff <(tail -n 1300 "$BATS_TEST_TMPDIR/ids") "$BATS_TEST_TMPDIR/flushed"
    [ "$(sql "select count(*) || ' ' || count(distinct payload->>'n') from distribution_jobs where data_type = 'batch'")" = \
        "2000 2000" ]
    [ "$(spooled_files)" = 0 ]
    dist-submit --cancel --quiet - <"$BATS_TEST_TMPDIR/ids"
}

@test "a full spool and a disk that takes no more: 75, what was kept is told, no half file stays" {
    head -c 40000 /dev/zero | tr '\0' x >"$BATS_TEST_TMPDIR/a.txt"
    cp "$BATS_TEST_TMPDIR/a.txt" "$BATS_TEST_TMPDIR/b.txt"
    export DIST_SPOOL_MAX=64K
    run -75 --separate-stderr away submit --to hook "$BATS_TEST_TMPDIR/a.txt" "$BATS_TEST_TMPDIR/b.txt"
    [ "$(wc -l <<<"$output")" = 1 ]
    [[ $stderr == *"the spool $DIST_SPOOL_DIR is full: DIST_SPOOL_MAX is 64K"* ]]
    [ "$(spooled_files)" = 1 ]
    unset DIST_SPOOL_MAX
    (
        trap '' XFSZ
        ulimit -f 8
        run -75 away submit --to hook "$BATS_TEST_TMPDIR/b.txt"
        [[ $output == *"$DIST_SPOOL_DIR/"*"File too large"* ]]
    )
    [ "$(spooled_files)" = 1 ]
    [ ! -e "$DIST_SPOOL_DIR/.new" ]
    run -0 dist-submit --flush-spool
}

@test "what can never be submitted goes to rejected with the reason, the rest goes on" {
    destination gone '{"protocol": "null"}'
    bad=$(away submit --to gone <<<'{}' 2>/dev/null)
    good=$(away submit --to hook <<<'{}' 2>/dev/null)
    nobody=$(away dist-submit --tenant nobody --type t --to hook <<<'{}' 2>/dev/null)
    rm "$DIST_CONFIG_DIR/destinations.d/gone.json"
    printf rubbish >"$DIST_SPOOL_DIR/0.job"
    run -1 --separate-stderr dist-submit --flush-spool
    [ "$output" = "$good" ]
    [ "$(spooled_files)" = 0 ]
    [ "$(find "$DIST_SPOOL_DIR/rejected" -name '*.job' | wc -l)" = 3 ]
    grep -q "'gone'" "$DIST_SPOOL_DIR/rejected/$bad.reason"
    grep -q "tenant 'nobody'" "$DIST_SPOOL_DIR/rejected/$nobody.reason"
    grep -q "no spooled distribution" "$DIST_SPOOL_DIR/rejected/0.reason"
    [[ $stderr == *"$bad.job: "*"it is in rejected/ now"* ]]
    # Once what was wrong is mended it is put back by hand.
    dist-admin tenant add nobody
    mv "$DIST_SPOOL_DIR/rejected/$nobody.job" "$DIST_SPOOL_DIR"
    [ "$(dist-submit --flush-spool)" = "$nobody" ]
}

@test "one flusher at a time, and many writers" {
    mkdir -m 700 "$DIST_SPOOL_DIR"
    for i in {1..8}; do
        seq "$i"000 "$i"020 | jq -c '{n: .}' | away submit --to hook --ndjson >"$BATS_TEST_TMPDIR/ids.$i" 2>/dev/null 3>&- &
    done
    wait
    [ "$(spooled_files)" = 168 ]
    run -75 --separate-stderr flock "$DIST_SPOOL_DIR/.flush" dist-submit --flush-spool
    [[ $stderr == *"another process is flushing it"* ]]
    dist-submit --flush-spool --quiet
    [ "$(sort -u "$BATS_TEST_TMPDIR"/ids.* | wc -l)" = 168 ]
    [ "$(sql "select count(*) from distribution_jobs where distribution_id in
              ($(cat "$BATS_TEST_TMPDIR"/ids.* | sed "s/.*/'&'/" | paste -sd ,))")" = 168 ]
}

@test "a spool that others can read, and calls that a spool cannot serve, are refused" {
    mkdir -m 755 "$DIST_SPOOL_DIR"
    run -78 away submit --to hook <<<'{}'
    [[ $output == *"it must be 0700"* ]]
    DIST_SPOOL_DIR=spool run -78 away submit --to hook <<<'{}'
    DIST_SPOOL_DIR=/nonexistent/spool run -78 away submit --to hook <<<'{}'
    rmdir "$DIST_SPOOL_DIR"
    run -75 away submit --to hook --wait <<<'{}'
    [[ $output == *"what is spooled cannot be waited for"* ]]
    [ "$(spooled_files)" = 1 ]
    env -u DIST_SPOOL_DIR dist-submit --flush-spool && return 1
    run -64 dist-submit --flush-spool file
    run -0 dist-submit --flush-spool
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
