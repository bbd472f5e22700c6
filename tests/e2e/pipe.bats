#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# The main job with no server at all: dist-submit --pipe | dist-route | dist-transform | dist-deliver

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up receiver
}

teardown_file() {
    sandbox_down
}

setup() {
    config_fresh
}

# deliver ARGUMENTS...: standard input through the whole pipe; result lines on standard output
deliver() {
    dist-submit --pipe --tenant acme --type disk_report "$@" | dist-route | dist-transform |
        dist-deliver --dead-letters "$BATS_TEST_TMPDIR/dead"
}

# received_sha PATH: the digests of the bodies that arrived there, one per line
received_sha() {
    receiver_requests "$1" | jq -r .body_sha256
}

@test "a report of every kind arrives byte for byte, with its content type" {
    local folder=$BATS_TEST_TMPDIR/in name
    mkdir "$folder"
    printf '{"a": 1.50,  "b":"\\u00e9", "n": 12345678901234567890123}\n' >"$folder/x.json"
    printf 'a;b\r\n1;"two\r\nlines"\r\n' >"$folder/x.csv"
    { printf '%%PDF-1.4\n\0\377\376'; head -c 50000 /dev/urandom; } >"$folder/x.pdf"
    head -c $((8 * 1024 * 1024)) /dev/urandom >"$folder/x.bin"
    for name in json csv pdf bin; do
        destination "exact-$name" '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/exact-$name"'"}'
        run -0 --separate-stderr deliver --to "exact-$name" "$folder/x.$name"
        [ "$(jq -r .status <<<"$output")" = delivered ]
        [ "$(received_sha "/in/exact-$name")" = "$(sha256sum <"$folder/x.$name" | cut -d' ' -f1)" ]
    done
    receiver_requests /in/exact-csv | jq -e '.headers["content-type"] == "text/csv"'
}

@test "the pipe of the issue: lsblk to a table of results" {
    destination ops-hook '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/ops"'"}'
    (echo '{"blockdevices": []}' | dist-submit --pipe --tenant acme --type disk_report --to ops-hook |
        dist-route | dist-transform | dist-deliver | dist-status) >"$BATS_TEST_TMPDIR/out"
    grep -q 'ops-hook .*delivered .* 200' "$BATS_TEST_TMPDIR/out"
    grep -q '^1 deliveries, 1 delivered$' "$BATS_TEST_TMPDIR/out"
}

@test "a failing destination is tried again within the run, with the same message id" {
    destination flaky '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/flaky/fail/2/503/then/200"'",
        "retry_policy": {"max_backoff": "100ms"}}'
    run -0 --separate-stderr deliver --to flaky <<<'{}'
    jq -e '.status == "delivered" and .attempts == 3 and .response_code == 200' <<<"$output"
    [ "$(receiver_count /in/flaky)" = 3 ]
    [ "$(receiver_distinct /in/flaky)" = 1 ]
}

@test "a destination's rate holds within a run" {
    rest_destination paced /in/paced '{"rate": "5/s"}'
    start=$EPOCHREALTIME
    seq 1 15 | jq -c '{n: .}' | dist-submit --pipe -t acme -T t -d paced --ndjson | dist-route | dist-transform | dist-deliver >/dev/null
    [ "$(receiver_count /in/paced)" = 15 ]
    # five at once, then one each fifth of a second
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { exit !(b - a >= 1.9) }'
}

@test "what is rejected goes to the dead letter file, can be shown, and is replayed from it" {
    destination strict '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/strict/status/422"'"}'
    run -1 --separate-stderr deliver --to strict <<<'{"n": 1}'
    jq -e '.status == "dead" and .dead_reason == "rejected" and .response_code == 422 and .attempts == 1' <<<"$output"
    run -0 dist-dlq list -f "$BATS_TEST_TMPDIR/dead" --json
    jq -e '.reason == "rejected" and .destination == "strict"' <<<"$output"
    id=$(jq -r .delivery_id <<<"$output")
    [ "$(dist-dlq show -f "$BATS_TEST_TMPDIR/dead" --body "$id")" = '{"n": 1}' ]
    destination strict '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/mended"'"}'
    (dist-dlq replay -f "$BATS_TEST_TMPDIR/dead" "$id" | dist-transform | dist-deliver) >"$BATS_TEST_TMPDIR/out"
    jq -e '.status == "delivered" and .attempts == 2' "$BATS_TEST_TMPDIR/out"
    receiver_requests /in/mended | jq -e --arg id "$id" '.headers["idempotency-key"] == $id'
}

@test "attempts are spent by the policy, and then the delivery is dead as exhausted" {
    destination down '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/down/status/503"'",
        "retry_policy": {"max_attempts": 3, "max_backoff": "100ms"}}'
    run -1 --separate-stderr deliver --to down <<<'{}'
    jq -e '.status == "dead" and .dead_reason == "exhausted" and .attempts == 3' <<<"$output"
    [ "$(receiver_count /in/down)" = 3 ]
}

@test "Retry-After is obeyed" {
    destination busy '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/busy/retry-after/1/fail/1/429/then/200"'",
        "retry_policy": {"max_backoff": "100ms"}}'
    run -0 --separate-stderr deliver --to busy <<<'{}'
    receiver_requests /in/busy | jq -s -e '.[1].time - .[0].time >= 950'
}

@test "a group fails over to its next member at once" {
    destination first '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/first/status/503"'"}'
    destination second '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/second"'"}'
    destination both '{"group": ["first", "second"]}'
    run -0 --separate-stderr deliver --to both <<<'{}'
    jq -e '.status == "delivered" and .target == "both" and .destination == "second" and .attempts == 2' <<<"$output"
}

@test "every misbehaviour of a receiver ends by the deadline" {
    local kind
    for kind in hang reset close; do
        destination "bad-$kind" '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/$kind/$kind"'", "timeout": 0.5,
            "retry_policy": "none"}'
        run -1 --separate-stderr deliver --to "bad-$kind" <<<'{}'
        jq -e '.status == "dead" and .dead_reason == "exhausted" and .latency_ms < 2000' <<<"$output"
    done
    # the answer has come: what happens to its body does not undo it
    for kind in hang-body wrong-length drip/100 big/3000000; do
        destination answered '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/$kind"'", "timeout": 0.5}'
        run -0 --separate-stderr deliver --to answered <<<'{}'
        jq -e '.status == "delivered" and .attempts == 1' <<<"$output"
    done
}

@test "headers take their placeholders, secrets come from credentials.d and are nowhere else" {
    mkdir -p "$DIST_CONFIG_DIR/credentials.d"
    (umask 077 && echo s3cr3t-token >"$DIST_CONFIG_DIR/credentials.d/ops-token")
    destination auth '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/auth/{tenant_id}"'", "method": "PUT",
        "headers": {"Authorization": "Bearer {token}", "X-Tenant-ID": "{tenant_id}", "X-Dist": "{distribution_id}"},
        "credentials": "ops-token", "allow_private": true}'
    run -0 --separate-stderr deliver --to auth <<<'{}'
    [[ $output != *s3cr3t* ]]
    receiver_requests /in/auth/acme | jq -e --arg id "$(jq -r .distribution_id <<<"$output")" \
        '.method == "PUT" and .headers.authorization == "Bearer s3cr3t-token" and .headers["x-tenant-id"] == "acme"
         and .headers["x-dist"] == $id'
}

@test "a private address is refused unless somebody allowed it" {
    destination inside '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/inside"'"}'
    DIST_ALLOW_PRIVATE=0 run -1 --separate-stderr deliver --to inside <<<'{}'
    jq -e '.dead_reason == "rejected" and (.error | test("loopback"))' <<<"$output"
    [ "$(receiver_count /in/inside)" = 0 ]
    destination inside '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/inside"'", "allow_private": true}'
    DIST_ALLOW_PRIVATE=0 run -0 --separate-stderr deliver --to inside <<<'{}'
}

@test "a file is written whole, and a collision is not an overwrite" {
    local folder=$BATS_TEST_TMPDIR/out
    mkdir "$folder"
    destination archive '{"protocol": "file", "path": "'"$folder/{tenant_id}-{distribution_id}.json"'", "mode": "0600"}'
    run -0 --separate-stderr deliver --to archive <<<'{"x": 1}'
    [ "$(cat "$folder"/acme-*.json)" = '{"x": 1}' ]
    [ "$(stat -c %a "$folder"/acme-*.json)" = 600 ]
    [ "$(find "$folder" -type f | wc -l)" = 1 ]
    destination archive '{"protocol": "file", "path": "'"$folder/fixed"'"}'
    run -0 --separate-stderr deliver --to archive <<<'{"x": 1}'
    run -1 --separate-stderr deliver --to archive <<<'{"x": 2}'
    [ "$(cat "$folder/fixed")" = '{"x": 1}' ]
}

@test "a command gets the payload on stdin, and its exit code is the outcome" {
    destination run '{"protocol": "exec", "command": ["/bin/sh", "-c", "cat > '"$BATS_TEST_TMPDIR"'/got"]}'
    run -0 --separate-stderr deliver --to run <<<'{"x": 1}'
    [ "$(cat "$BATS_TEST_TMPDIR/got")" = '{"x": 1}' ]
    destination run '{"protocol": "exec", "command": ["/bin/sh", "-c", "echo full >&2; exit 75"],
        "retry_policy": {"max_attempts": 2, "max_backoff": "100ms"}}'
    run -1 --separate-stderr deliver --to run <<<'{}'
    jq -e '.dead_reason == "exhausted" and .attempts == 2 and (.error | test("full"))' <<<"$output"
    destination run '{"protocol": "exec", "command": ["/bin/sh", "-c", "exit 3"]}'
    run -1 --separate-stderr deliver --to run <<<'{}'
    jq -e '.dead_reason == "rejected" and .attempts == 1' <<<"$output"
}

@test "a command is ended with its whole process group at the deadline" {
    destination slow '{"protocol": "exec", "timeout": 0.3, "retry_policy": "none",
        "command": ["/bin/sh", "-c", "sleep 1000 & echo $! > '"$BATS_TEST_TMPDIR"'/pid; wait"]}'
    run -1 --separate-stderr deliver --to slow <<<'{}'
    jq -e '.dead_reason == "exhausted" and .latency_ms < 5000' <<<"$output"
    wait_until 5 process_gone "$(cat "$BATS_TEST_TMPDIR/pid")"
}

@test "format json refuses what is no JSON, as a dead letter of reason transform" {
    destination typed '{"protocol": "null", "format": "json"}'
    run -1 --separate-stderr deliver --to typed --content-type text/plain <<<'no json'
    jq -e '.status == "dead" and .dead_reason == "transform" and .attempts == 0' <<<"$output"
    run -0 --separate-stderr deliver --to typed --content-type text/plain <<<'{"a": 1}'
}

@test "a name that is not configured is refused at the start, and unroutable later on" {
    destination there '{"protocol": "null"}'
    run -65 --separate-stderr dist-submit --pipe --tenant acme --type t --to ther <<<'{}'
    [[ $stderr == *"did you mean 'there'"* ]]
    dist-submit --pipe --tenant acme --type t --to there <<<'{}' >"$BATS_TEST_TMPDIR/request"
    rm "$DIST_CONFIG_DIR/destinations.d/there.json"
    (dist-route <"$BATS_TEST_TMPDIR/request" | dist-transform | { dist-deliver || true; }) >"$BATS_TEST_TMPDIR/out"
    jq -e '.status == "dead" and .dead_reason == "unroutable"' "$BATS_TEST_TMPDIR/out"
}

@test "a bad record never ends a filter, and is named by its line" {
    destination sink '{"protocol": "null"}'
    printf '%s\n' '{"a": 1}' '{"a": ' '{"a": 2}' >"$BATS_TEST_TMPDIR/in"
    run -1 --separate-stderr dist-submit --pipe --ndjson --tenant acme --type t --to sink "$BATS_TEST_TMPDIR/in"
    [ "$(wc -l <<<"$output")" = 2 ]
    [[ $stderr == *"in:2: "* ]]
    printf '%s\nnonsense\n%s\n' "$(head -1 <<<"$output")" "$(tail -1 <<<"$output")" >"$BATS_TEST_TMPDIR/requests"
    run -1 --separate-stderr dist-route <"$BATS_TEST_TMPDIR/requests"
    [ "$(wc -l <<<"$output")" = 2 ]
    [[ $stderr == *"stdin:2: "* ]]
}

@test "a line over the ceiling is one rejected record, never two" {
    destination sink '{"protocol": "null"}'
    export DIST_MAX_PAYLOAD=64K
    { echo '{"a": 1}'; head -c 3000000 /dev/zero | tr '\0' x; echo; echo '{"a": 2}'; } >"$BATS_TEST_TMPDIR/in"
    run -1 --separate-stderr dist-submit --pipe --ndjson --tenant acme --type t --to sink "$BATS_TEST_TMPDIR/in"
    [ "$(wc -l <<<"$output")" = 2 ]
    [ "$(grep -c 'in:2: ' <<<"$stderr")" = 1 ]
}

@test "ten thousand lines, many at once" {
    destination many '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/many"'", "concurrency": 50}'
    seq 1 10000 | jq -c '{n: .}' | dist-submit --pipe --ndjson --tenant acme --type t --to many | dist-route |
        dist-transform | dist-deliver | dist-status --json >"$BATS_TEST_TMPDIR/out"
    jq -e '.total == 10000 and .delivered == 10000' "$BATS_TEST_TMPDIR/out"
    [ "$(receiver_distinct /in/many)" = 10000 ]
}

@test "a stopped pipe says what it left" {
    destination stuck '{"protocol": "REST", "endpoint": "'"$RECEIVER_URL/in/stuck/hang"'", "timeout": 60}'
    export DIST_STOP_TIMEOUT=200ms
    mkfifo "$BATS_TEST_TMPDIR/fifo"
    dist-deliver <"$BATS_TEST_TMPDIR/fifo" >"$BATS_TEST_TMPDIR/out" 3>&- &
    local pid=$! code=0
    exec 9>"$BATS_TEST_TMPDIR/fifo"
    dist-submit --pipe --tenant acme --type t --to stuck <<<'{}' | dist-route | dist-transform >&9
    wait_until 10 receiver_has /in/stuck 1
    kill "$pid"
    wait "$pid" || code=$?
    exec 9>&-
    [ "$code" = 75 ]
    jq -e '.status == "waiting"' "$BATS_TEST_TMPDIR/out"
}

@test "an unroutable dead letter is routed again when it is replayed" {
    destination later '{"protocol": "null"}'
    dist-submit --pipe --tenant acme --type t --to later <<<'{}' >"$BATS_TEST_TMPDIR/request"
    rm "$DIST_CONFIG_DIR/destinations.d/later.json"
    (dist-route <"$BATS_TEST_TMPDIR/request" | dist-transform |
        { dist-deliver -D "$BATS_TEST_TMPDIR/dead" || true; }) >/dev/null
    destination later '{"protocol": "null"}'
    (dist-dlq replay --all -f "$BATS_TEST_TMPDIR/dead" | dist-transform | dist-deliver) >"$BATS_TEST_TMPDIR/out"
    jq -e '.status == "delivered" and .destination == "later"' "$BATS_TEST_TMPDIR/out"
}

@test "the policy that the request names wins, the destination's numbers refine it" {
    rest_destination named /in/named/status/503 '{"retry_policy": "exponential_backoff"}'
    run -1 --separate-stderr deliver --to named --retry-policy none <<<'{}'
    jq -e '.dead_reason == "exhausted" and .attempts == 1' <<<"$output"
}

@test "a shortage of descriptors defers, it does not kill" {
    (umask 077 && echo secret-token >"$DIST_CONFIG_DIR/credentials.d/c1")
    rest_destination short /in/short/delay/200 '{"credentials": "c1", "concurrency": 100}'
    seq 1 40 | jq -c '{n: .}' | dist-submit --pipe --ndjson --tenant acme --type t --to short | dist-route |
        dist-transform >"$BATS_TEST_TMPDIR/in"
    (ulimit -n 30 && dist-deliver <"$BATS_TEST_TMPDIR/in") >"$BATS_TEST_TMPDIR/out"
    [ "$(jq -r .status "$BATS_TEST_TMPDIR/out" | sort | uniq -c | tr -s ' ')" = " 40 delivered" ]
}

@test "a record that cannot be printed does not end the run" {
    destination sink '{"protocol": "null"}'
    dist-submit --pipe --tenant acme --type t --to sink <<<'{}' | dist-route | dist-transform >"$BATS_TEST_TMPDIR/good"
    jq -c '.status = "dead" | .dead_reason = "rejected" | .error = ("\u007f" * 2000000)' "$BATS_TEST_TMPDIR/good" \
        >"$BATS_TEST_TMPDIR/bad"
    cat "$BATS_TEST_TMPDIR"/{good,bad,good} >"$BATS_TEST_TMPDIR/in"
    run -1 --separate-stderr dist-deliver <"$BATS_TEST_TMPDIR/in"
    [ "$(jq -r .status <<<"$output" | grep -c delivered)" = 2 ]
    [[ $stderr == *"stdin:2: "* ]]
}

@test "a dead letter is written even where its result cannot be" {
    rest_destination gone /in/gone/status/410
    run -71 --separate-stderr bash -c "dist-submit --pipe -t acme -T t -d gone <<<'{}' | dist-route | dist-transform |
        dist-deliver -D '$BATS_TEST_TMPDIR/dead' >/dev/full"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/dead")" = 1 ]
}

@test "half a line at the end of a dead letter file spoils no other" {
    rest_destination gone /in/gone/status/410
    printf '{"half' >"$BATS_TEST_TMPDIR/dead"
    run -1 --separate-stderr deliver --to gone <<<'{}'
    [ "$(wc -l <"$BATS_TEST_TMPDIR/dead")" = 2 ]
    tail -n 1 "$BATS_TEST_TMPDIR/dead" | jq -e '.dead_reason == "rejected"'
}
