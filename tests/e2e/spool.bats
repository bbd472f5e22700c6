#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# PostgreSQL away: 75, or a spool that keeps what is submitted, and its flush

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

spooled_files() {
    find "$DIST_SPOOL_DIR" -maxdepth 1 -name '*.job' | wc -l
}

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
