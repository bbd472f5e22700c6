#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# Bodies that become others on their way: inputs, programs, formats and compression, in a pipe and as a service

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up redis postgres
    receiver_launch own
    RECEIVER_URL=$(receiver_url own)
    export RECEIVER_URL
    tenant acme
    export DIST_TRANSFORM_TIMEOUT=300ms
    standard_destinations
    services_start
}

teardown_file() {
    services_stop
    receiver_end own
    sandbox_down
}

setup() {
    local name
    standard_destinations
    for name in route transform deliver; do
        service_running "$name" || service_start "$name"
    done
    reload route transform deliver
}

standard_destinations() {
    rm -f "$DIST_CONFIG_DIR"/destinations.d/*.json "$DIST_CONFIG_DIR"/transforms.d/*
    mkdir -p "$DIST_CONFIG_DIR/transforms.d"
    rest_destination plain /in/plain
    rest_destination full /in/full '{"transform": {"file": "full.jq"}}'
    echo 'map(select((.used | tonumber) > 90))' >"$DIST_CONFIG_DIR/transforms.d/full.jq"
    rest_destination csv /in/csv '{"format": "csv"}'
    rest_destination xml /in/xml '{"format": {"type": "xml", "root": "disks", "item": "disk"}}'
    rest_destination soap /in/soap '{"format": {"type": "soap", "root": "m:Send", "action": "urn:send",
        "namespaces": {"m": "urn:m"}}}'
    rest_destination event /in/event '{"format": {"type": "cloudevents", "mode": "binary"}}'
    rest_destination form /in/form '{"transform": ".[0]", "format": "form"}'
    rest_destination zip /in/zip '{"compress": "gzip"}'
    rest_destination zipped-csv /in/packed '{"format": "csv", "compress": "gzip"}'
    rest_destination again /in/again/each/fail/2/503/then/200 '{"format": "csv", "compress": "gzip",
        "retry_policy": {"max_backoff": "100ms"}}'
    rest_destination loops /in/loops '{"transform": "def f: f; f"}'
    # shellcheck disable=SC2016 # for jq
    rest_destination spy /in/spy '{"transform": "[env, $ENV, $tenant, $destination, [inputs]]"}'
    rest_destination mended /in/mended '{"transform": ".missing.here | error(\"no \" + .)"}'
    rest_destination first /in/first/status/503 '{"format": "csv", "retry_policy": {"max_attempts": 2, "max_backoff": "100ms"}}'
    rest_destination second /in/second '{"format": "xml"}'
    destination pair '{"group": ["first", "second"], "policy": "failover"}'
}

# reload NAME...: SIGHUP, and until each has read the configuration again (or refused to)
reload() {
    local name before
    for name; do
        before=$(reloads "$name")
        kill -HUP "$(service_pid "$name")"
        wait_until 10 reloaded "$name" "$before"
    done
}

reloads() {
    grep -cE 'read again|in force stay' "$(service_log "$1")" || true
}

reloaded() {
    (($(reloads "$1") > $2))
}

disks='[{"disk":"sda","used":"91"},{"disk":"sdb","used":"12"}]'
disks_csv=$'disk,used\r\nsda,91\r\nsdb,12\r\n'

# through ARGUMENT...: standard input through the pipe; result lines
through() {
    dist-submit --pipe --tenant acme --type disks "$@" | dist-route | dist-transform |
        dist-deliver --dead-letters "$BATS_TEST_TMPDIR/dead"
}

# submit ARGUMENT...: standard input to the service; the id
submit() {
    dist-submit --tenant acme --type disks "$@"
}

# ended ID: its status, once it has ended
ended() {
    dist-status --wait --timeout 20s --json "$1" | jq -r .status
}

# received PATH FILTER: of the last request there
received() {
    receiver_requests "$1" | tail -n 1 | jq -r "$2"
}

# received_bytes PATH: the body of the last request there, as it was
received_bytes() {
    cat "$(receiver_bodies own)/$(received "$1" .seq).body"
}

# what_arrives SUBMITTER: a report in each of the formats, and what the receiver got
what_arrives() {
    printf '%s' "$disks" | "$1" --to csv --to xml --to soap --to event --to form >"$BATS_TEST_TMPDIR/said"
    [[ $1 != submit ]] || ended "$(<"$BATS_TEST_TMPDIR/said")"
    [ "$(received_bytes /in/csv | sha256sum)" = "$(printf '%s' "$disks_csv" | sha256sum)" ]
    [[ $(received /in/csv '.headers["content-type"]') == text/csv* ]]
    [[ $(received_bytes /in/xml) == *'<disks><disk><disk>sda</disk><used>91</used></disk>'* ]]
    [[ $(received /in/xml '.headers["content-type"]') == application/xml* ]]
    [[ $(received_bytes /in/soap) == *'<soap:Body><m:Send '* ]]
    [ "$(received /in/soap '.headers.soapaction')" = '"urn:send"' ]
    [ "$(received /in/event '.headers["ce-type"], .headers["ce-source"]')" = $'disks\n/dist/acme' ]
    [ "$(received_bytes /in/form)" = 'disk=sda&used=91' ]
    [ "$(received /in/form '.headers["content-type"]')" = application/x-www-form-urlencoded ]
}

@test "a report as csv, xml, soap, cloudevents and form: in a pipe" {
    receiver_reset
    what_arrives through
}

@test "the same as a service; its outputs are gone afterwards" {
    receiver_reset
    what_arrives submit
    [ "$(sql 'select count(*) from distribution_outputs')" = 0 ]
}

@test "a csv report is filtered and sent as JSON, in a pipe and as a service" {
    local by
    for by in through submit; do
        receiver_reset
        id=$(printf 'disk,used\nsda,91\nsdb,12\n' | $by --to full --content-type text/csv)
        [[ $by != submit ]] || [ "$(ended "$id")" = completed ]
        [ "$(received_bytes /in/full)" = '[{"disk":"sda","used":"91"}]' ]
        [ "$(received /in/full '.headers["content-type"]')" = application/json ]
    done
}

@test "gzip says so, and the same bytes become the same bytes" {
    receiver_reset
    printf '%s' "$disks" | through --to zip --to zipped-csv
    [ "$(received /in/zip '.headers["content-encoding"], .headers["content-type"]')" = $'gzip\napplication/json' ]
    [ "$(received_bytes /in/zip | gzip -dc)" = "$disks" ]
    [ "$(received_bytes /in/packed | gzip -dc | sha256sum)" = "$(printf '%s' "$disks_csv" | sha256sum)" ]
    first=$(received_bytes /in/zip | sha256sum)
    printf '%s' "$disks" | through --to zip
    [ "$(received_bytes /in/zip | sha256sum)" = "$first" ]
}

@test "without a rendering the bytes stay as they came" {
    local body=$'{"n": 1.50,  "big": 12345678901234567890123}\n'
    printf '%s' "$body" | through --to plain
    [ "$(received_bytes /in/plain | sha256sum)" = "$(printf '%s' "$body" | sha256sum)" ]
}

@test "a retry sends the bytes of the first attempt, whatever the configuration is by then" {
    receiver_reset
    id=$(printf '%s' "$disks" | submit --to again)
    wait_until 10 receiver_has /in/again 1
    rest_destination again /in/again/each/fail/2/503/then/200 '{"format": "xml", "retry_policy": {"max_backoff": "100ms"}}'
    reload transform deliver
    [ "$(ended "$id")" = completed ]
    [ "$(receiver_count /in/again)" = 3 ]
    [ "$(receiver_requests /in/again | jq -r .body_sha256 | sort -u | wc -l)" = 1 ]
    [ "$(received_bytes /in/again | gzip -dc | sha256sum)" = "$(printf '%s' "$disks_csv" | sha256sum)" ]
}

@test "each member of a group gets its own form" {
    local by
    for by in through submit; do
        receiver_reset
        id=$(printf '%s' "$disks" | $by --to pair)
        [[ $by != submit ]] || [ "$(ended "$id")" = completed ]
        [ "$(received_bytes /in/first | sha256sum)" = "$(printf '%s' "$disks_csv" | sha256sum)" ]
        [[ $(received_bytes /in/second) == '<?xml'* ]]
    done
}

@test "a program that loops is stopped, and the next report meets a new one" {
    id=$(printf '%s' "$disks" | submit --to loops)
    other=$(printf '%s' "$disks" | submit --to form)
    [ "$(ended "$other")" = completed ]
    [ "$(ended "$id")" = failed ]
    run -0 dist-dlq list --json --reason transform --destination loops
    jq -es "any(.error == \"/transform: 'def f: f; f': the program ran longer than 300 ms\")" <<<"$output"
}

@test "a program sees nothing of the process" {
    receiver_reset
    SECRET=hunter2 through --to spy <<<'{}'
    [ "$(received_bytes /in/spy)" = '[{},{},"acme","spy",[]]' ]
}

@test "what cannot be transformed is a dead letter with the program and the place; mended and replayed it arrives" {
    receiver_reset
    id=$(echo '{"missing": {"here": "way"}}' | submit --to mended)
    [ "$(ended "$id")" = failed ]
    run -0 dist-dlq list --json --reason transform --destination mended
    jq -e "select(.distribution_id == \"$id\") |
        .error == \"/transform: '.missing.here | error(\\\"no \\\" + .)': the program failed: no way\"" <<<"$output"
    delivery=$(jq -r "select(.distribution_id == \"$id\") | .delivery_id" <<<"$output")
    run -0 dist-dlq show --body "$delivery"
    [ "$output" = '{"missing": {"here": "way"}}' ]
    rest_destination mended /in/mended '{"transform": ".missing"}'
    reload transform deliver
    dist-dlq replay "$delivery"
    [ "$(ended "$id")" = completed ]
    [ "$(received_bytes /in/mended)" = '{"here":"way"}' ]
}

@test "the dead letters of a pipe are transformed again too" {
    receiver_reset
    run -1 --separate-stderr through --to mended <<<'{"missing": {"here": "way"}}'
    jq -e '.status == "dead" and .dead_reason == "transform"' <<<"$output"
    rest_destination mended /in/mended '{"transform": ".missing"}'
    dist-dlq replay --all --file "$BATS_TEST_TMPDIR/dead" | dist-transform | dist-deliver
    [ "$(received_bytes /in/mended)" = '{"here":"way"}' ]
}

@test "what is to be transformed is not sent as it is, where dist-transform was left out" {
    receiver_reset
    run -1 --separate-stderr bash -c "dist-submit --pipe --tenant acme --type disks --to csv <<<'[]' | dist-route | dist-deliver"
    jq -e '.status == "dead" and .dead_reason == "transform"' <<<"$output"
    [ "$(receiver_count /in/csv)" = 0 ]
}

@test "SIGHUP with a program that is none keeps the old set" {
    receiver_reset
    rest_destination full /in/full '{"transform": "map("}'
    reload transform
    grep -q "destinations.d/full.json: destination 'full': /transform: syntax error" "$(service_log transform)"
    id=$(printf '%s' "$disks" | submit --to full)
    [ "$(ended "$id")" = completed ]
    [ "$(received_bytes /in/full)" = '[{"disk":"sda","used":"91"}]' ]
    run -78 dist-admin config --check
    [[ $output == *"full: /transform: syntax error"* ]]
    run -78 dist-transform </dev/null
}

@test "a rule's rendering stands in front of the destination's" {
    receiver_reset
    mkdir -p "$DIST_CONFIG_DIR/rules.d"
    echo '{"match": {"data_type": ["ruled"]}, "to": ["csv"], "rendering": {"format": "xml", "compress": "gzip"}}' \
        >"$DIST_CONFIG_DIR/rules.d/xml.json"
    reload route
    id=$(printf '%s' "$disks" | dist-submit --tenant acme --type ruled)
    [ "$(ended "$id")" = completed ]
    [[ $(received_bytes /in/csv | gzip -dc) == '<?xml'* ]]
    rm "$DIST_CONFIG_DIR/rules.d/xml.json"
}

@test "as a filter with options: destinations need not be known" {
    local line
    line=$(printf '%s' "$disks" | dist-submit --pipe --tenant acme --type disks --to csv | dist-route)
    export DIST_CONFIG_DIR=$BATS_TEST_TMPDIR/empty
    mkdir "$DIST_CONFIG_DIR"
    run -0 --separate-stderr dist-transform --program 'map(.disk)' --format ndjson <<<"$line"
    [ "$(jq -r '.outputs[0].body' <<<"$output")" = $'"sda"\n"sdb"' ]
    echo 'length' >"$BATS_TEST_TMPDIR/length.jq"
    run -0 --separate-stderr dist-transform --program-file "$BATS_TEST_TMPDIR/length.jq" <<<"$line"
    [ "$(jq -r '.outputs[0].body' <<<"$output")" = 2 ]
    run -0 --separate-stderr dist-transform --format '{"type": "csv", "header": false}' <<<"$line"
    [ "$(jq -r '.outputs[0].body' <<<"$output")" = $'sda,91\r\nsdb,12\r' ]
    run -64 dist-transform --program 'map(' <<<"$line"
    [[ $output == *'--program: /transform: syntax error'* ]]
    run -64 dist-transform --format cvs <<<"$line"
    [[ $output == *"did you mean 'csv'?"* ]]
    run -64 dist-transform --stream --format csv
}

@test "--check finds every mistake, with file, line and place" {
    cat >"$BATS_TEST_TMPDIR/bad.json" <<'END'
[{"name": "a", "protocol": "null", "format": "cvs",
  "input": "exml"},
 {"name": "b", "protocol": "null",
  "transform": {"file": "ful.jq"}},
 {"name": "c", "to": ["a"], "rendering": {
  "transform": ".["}}]
END
    run -78 dist-transform --check "$BATS_TEST_TMPDIR/bad.json"
    [[ $output == *"bad.json:1: /0/format: there is no format 'cvs'; did you mean 'csv'?"* ]]
    [[ $output == *"bad.json:2: /0/input: there is no input 'exml'; did you mean 'xml'?"* ]]
    [[ $output == *"bad.json:4: /1/transform/file: there is no file 'ful.jq' in transforms.d; did you mean 'full.jq'?"* ]]
    [[ $output == *"bad.json:6: /2/rendering/transform: syntax error"* ]]
    [[ $output == *"4 mistakes"* ]]
    run -0 dist-transform --check
    [[ $output == *"renderings, no mistakes"* ]]
}

@test "--test runs tests of renderings: failed ones are printed" {
    cat >"$BATS_TEST_TMPDIR/tests.json" <<'END'
[{"name": "rows", "destination": "csv", "input": [{"a": 1}], "expect": "a\r\n1\r\n"},
 {"name": "compression is left out", "destination": "zipped-csv", "input": [{"a": 1}], "expect": "a\r\n1\r\n"},
 {"name": "values", "destination": "full", "input": [{"used": "95"}, {"used": "5"}], "expect": [{"used": "95"}]},
 {"name": "over", "destination": "csv", "rendering": {"format": "json"}, "body": "[ 1 ]", "expect": "[ 1 ]"},
 {"name": "alone", "rendering": {"input": "csv", "format": "json"}, "body": "a\n1\n", "expect": [{"a": "1"}],
  "expect_content_type": "application/json"},
 {"name": "refused", "destination": "full", "input": 7, "error": "Cannot iterate over number"}]
END
    run -0 dist-transform --test "$BATS_TEST_TMPDIR/tests.json"
    [[ $output == *'6 tests passed, 0 failed'* ]]
    sed 's/"95"}\]}/"96"}]}/; s/Cannot/Can/' "$BATS_TEST_TMPDIR/tests.json" >"$BATS_TEST_TMPDIR/wrong.json"
    run -1 --separate-stderr dist-transform --test "$BATS_TEST_TMPDIR/wrong.json"
    [ "$(wc -l <<<"$output")" = 2 ]
    [[ $output == *'failed  values: it sends "[{\"used\":\"95\"}]", expected was "[{\"used\":\"96\"}]"'* ]]
    [[ $output == *'failed  refused: it fails: '* ]]
    run -1 --separate-stderr dist-transform --test --json "$BATS_TEST_TMPDIR/wrong.json"
    [ "$(jq -s 'map(select(.passed)) | length' <<<"$output")" = 4 ]
    run -1 dist-transform --test - <<<'{"nam": "x"}'
    [[ $output == *"stdin:1: unknown member 'nam'; did you mean 'name'?"* ]]
}

@test "exec has the type and the headers in its environment, and --once transforms too" {
    # shellcheck disable=SC2016 # for the shell that is the command
    destination command '{"protocol": "exec", "format": "csv", "compress": "gzip", "command":
        ["/bin/sh", "-c", "echo $DIST_CONTENT_TYPE $DIST_HEADER_CONTENT_ENCODING; gzip -dc"]}'
    run -0 --separate-stderr dist-deliver --once --destination command <<<'[{"a": 1}]'
    [ "$(jq -r .status <<<"$output")" = delivered ]
    destination kept '{"protocol": "exec", "format": "csv", "command": ["/bin/sh", "-c", "cat >'"$BATS_TEST_TMPDIR"'/kept"]}'
    dist-deliver --once --destination kept <<<'[{"a": 1}]'
    [ "$(<"$BATS_TEST_TMPDIR/kept")" = $'a\r\n1\r' ]
}

@test "an output past its ceiling is refused" {
    DIST_TRANSFORM_OUTPUT=100 run -1 --separate-stderr through --to csv <<<"[{\"a\": \"$(printf '%0200d' 0)\"}]"
    jq -e '.dead_reason == "transform" and (.error | contains("larger than 100 bytes"))' <<<"$output"
}
