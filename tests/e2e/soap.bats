#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
#
# SOAP against a service by a library that is not ours (npm's soap): both versions, WS-Security that it checks, faults of
# each kind, and a service that dies in the middle of a thousand reports.

bats_require_minimum_version 1.5.0
load lib/common

peer=$ROOT/tests/peers/soap

setup_file() {
    config_folder
    [[ -e $peer/node_modules/soap ]] || return 0
    service_begin
}

teardown_file() {
    [[ ! -e $BATS_FILE_TMPDIR/soap.pid ]] || service_end
}

setup() {
    [[ -e $peer/node_modules/soap ]] || skip 'the peer soap is not installed: scripts/install-deps'
    port=$(sed -n 's/^listening on //p' "$BATS_FILE_TMPDIR/soap.out")
    taken=$BATS_FILE_TMPDIR/taken
    : >"$taken"
    credentials user '{"username": "reports", "password": "s3cr<t&pass"}'
    credentials wrong '{"username": "reports", "password": "hunter2-hunter2"}'
    chmod 700 "$DIST_CONFIG_DIR/credentials.d"
}

# service_begin [PORT]
service_begin() {
    node "$peer/service.js" "${1:-0}" "$BATS_FILE_TMPDIR/taken" >"$BATS_FILE_TMPDIR/soap.out" 2>&1 </dev/null 3>&- 4>&- &
    echo $! >"$BATS_FILE_TMPDIR/soap.pid"
    disown
    wait_until 20 grep -q '^listening on ' "$BATS_FILE_TMPDIR/soap.out"
}

# service_end [SIGNAL]
service_end() {
    local pid
    pid=$(<"$BATS_FILE_TMPDIR/soap.pid")
    kill "${1:--TERM}" "$pid" 2>/dev/null || true
    wait_until 10 process_gone "$pid"
    rm -f "$BATS_FILE_TMPDIR/soap.pid"
}

# credentials NAME TEXT
credentials() {
    (umask 077 && printf '%s\n' "$2" >"$DIST_CONFIG_DIR/credentials.d/$1")
}

# service NAME PATH JSON: a destination of the peer; what stands in JSON is added
service() {
    destination "$1" "$(jq -cn --argjson port "$port" --arg path "$2" --argjson more "$3" '{protocol: "SOAP",
        endpoint: "http://127.0.0.1:\($port)/\($path)", allow_private: true, credentials: "user", timeout: 10,
        action: "urn:reports:Submit", security: {password: "digest"}} + $more')"
}

# report N [MODE]
report() {
    printf '<Submit xmlns="urn:reports"><n>%d</n><text>&lt;\xc3\xa8&gt;</text><mode>%s</mode></Submit>' "$1" "${2:-}"
}

# once NAME [OPTION...]: XML from standard input
once() {
    run --separate-stderr dist-deliver --once -d "$1" --content-type application/xml "${@:2}"
}

@test "a library that is not ours takes both versions, with a digest and a password as text" {
    service one 11 '{"version": "1.1"}'
    service two 12 '{}'
    service open 12 '{"security": {"password": "text", "timestamp": false}, "addressing": true}'
    local id=0190b2c4-0000-7000-8000-000000000001
    once one --id "$id" < <(report 1)
    [[ $status == 0 ]]
    jq -e '.status == "delivered" and .response_code == 200' <<<"$output"
    once two --id "$id" < <(report 2)
    [[ $status == 0 ]]
    once open --id "$id" < <(report 3)
    [[ $status == 0 ]]
    diff - <(jq -c 'del(.message)' "$taken") <<TAKEN
{"version":"11","id":"$id","action":"\"urn:reports:Submit\"","n":1,"text":"<è>","password":"digest"}
{"version":"12","id":"$id","action":"urn:reports:Submit","n":2,"text":"<è>","password":"digest"}
{"version":"12","id":"$id","action":"urn:reports:Submit","n":3,"text":"<è>","password":"text"}
TAKEN
    [[ $(jq -rs '.[2].message' "$taken") == "urn:uuid:$id" ]]
    run -0 dist-admin destination check one two open
}

@test "a report in JSON becomes an envelope by its format, in the version of the format" {
    local format='{"type": "soap", "root": "Submit", "namespaces": {"": "urn:reports"}'
    service made 11 "{\"format\": $format}}"
    service newer 12 "{\"format\": $format, \"version\": \"1.2\"}}"
    printf '{"n": 5, "text": "\\u00e8 & <"}' | dist-submit --pipe --tenant acme --type report --to made | dist-route | dist-transform |
        dist-deliver
    printf '{"n": 6}' | dist-submit --pipe --tenant acme --type report --to newer | dist-route | dist-transform | dist-deliver
    diff - <(jq -c '[.version, .n, .text, .password]' "$taken") <<TAKEN
["11",5,"è & <","digest"]
["12",6,null,"digest"]
TAKEN
    service plain 11 '{"version": "1.1"}'
    run --separate-stderr dist-deliver --once -d plain <<<'{"n": 5}'
    [[ $status == 78 && $output == *'application/json'*'XML is wanted'* ]] || fail "$status $output $stderr"
}

@test "an envelope that is there gets its header of security, whatever its prefix is" {
    service two 12 '{}'
    once two <<<'<?xml version="1.0" encoding="ISO-8859-1"?>
<Envelope xmlns="http://www.w3.org/2003/05/soap-envelope"><Header><x xmlns="urn:x"/></Header><Body>'"$(report 9)"'</Body></Envelope>'
    [[ $status == 0 ]]
    once two < <(printf '<E:Envelope xmlns:E="http://www.w3.org/2003/05/soap-envelope"><E:Body>%s</E:Body></E:Envelope>' "$(report 10)")
    [[ $status == 0 ]]
    [[ $(jq -c '[.n, .password]' "$taken" | paste -sd' ') == '[9,"digest"] [10,"digest"]' ]]
    once two <<<'<E:Envelope xmlns:E="http://schemas.xmlsoap.org/soap/envelope/"><E:Body/></E:Envelope>'
    [[ $status == 78 && $output == *'an envelope of SOAP 1.1'* ]] || fail "$status $output $stderr"
}

@test "a wrong password and none are deferred, and told nowhere" {
    service wrong 12 '{"credentials": "wrong"}'
    service shown 12 '{"credentials": "wrong", "security": {"password": "text"}}'
    service none 12 '{"security": null}'
    jq 'del(.security)' "$DIST_CONFIG_DIR/destinations.d/none.json" >"$BATS_TEST_TMPDIR/none"
    mv "$BATS_TEST_TMPDIR/none" "$DIST_CONFIG_DIR/destinations.d/none.json"
    local name
    for name in wrong shown none; do
        once "$name" < <(report 1)
        [[ $status == 75 ]]
        jq -e '.response_code == 401 and
            (.error == "HTTP 401 Client (AuthenticationFailure): Invalid username or password")' <<<"$output"
        [[ $output$stderr != *hunter2* ]]
    done
    [[ ! -s $taken ]]
}

@test "each fault is what its code says, with its reason" {
    service one 11 '{"version": "1.1"}'
    service two 12 '{}'
    local to mode wanted text
    while read -r to mode wanted text; do
        once "$to" < <(report 1 "$mode")
        [[ $status == "$wanted" ]] || fail "$mode: $status $output $stderr"
        jq -e --arg text "$text" '.error == $text' <<<"$output" || fail "$mode: $output"
    done <<'FAULTS'
one server 75 HTTP 500 Server.Busy: no disk
one client 65 HTTP 500 Client: no such customer
one quiet 65 HTTP 200 Client: a fault inside of 200
one must 65 HTTP 500 MustUnderstand: a header
one version 65 HTTP 500 VersionMismatch: 1.0
one busy 75 HTTP 503 Server: too many
one other 65 HTTP 500 Odd: a code of its own
two receiver 75 HTTP 500 Receiver (Busy): later
two sender 65 HTTP 400 Sender (Bad): never
two encoding 65 HTTP 500 DataEncodingUnknown: odd
two expired 75 HTTP 400 Sender (MessageExpired): late
FAULTS
    [[ ! -s $taken ]]
    run -0 dist-deliver --explain-policy one
    [[ $output == *MessageExpired* && $output == *http_503* ]]
}

@test "of a thousand reports none is missing, though the service is killed in the middle" {
    service many 12 '{"retry_policy": {"max_attempts": 20, "max_backoff": "500ms"}, "format":
        {"type": "soap", "version": "1.2", "root": "Submit", "namespaces": {"": "urn:reports"}}}'
    seq 1 1000 | jq -c '{n: .}' | dist-submit --pipe --tenant acme --type report --to many --ndjson |
        dist-route | dist-transform | dist-deliver >"$BATS_TEST_TMPDIR/results" 3>&- 4>&- &
    local pipe=$!
    wait_until 20 bash -c "[[ \$(wc -l <'$taken') -gt 200 ]]"
    service_end -KILL
    (($(wc -l <"$taken") < 1000))
    service_begin "$port"
    wait "$pipe"
    [[ $(jq -s 'map(select(.status == "delivered")) | length' "$BATS_TEST_TMPDIR/results") == 1000 ]]
    diff <(seq 1 1000) <(jq .n "$taken" | sort -nu)
    # One that was taken and whose answer was lost comes again, with the id that it had; at most what was under way.
    [[ $(jq -s 'map(.id) | unique | length' "$taken") == 1000 ]]
    [[ $(jq -s 'group_by(.n) | map(map(.id) | unique | length) | max' "$taken") == 1 ]]
    local again=$(($(wc -l <"$taken") - 1000))
    echo "# figure: $again of 1000 came twice" >&3
    ((again <= 20))
}
