#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# dist-deliver --once: one attempt and its exit code; --explain-policy; what --destination takes

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up receiver
}

teardown_file() {
    sandbox_down
}

# No test here may find a server of ours.
setup() {
    config_fresh
    export DB_HOST=$BATS_TEST_TMPDIR/nowhere REDIS_HOST=$BATS_TEST_TMPDIR/nowhere
}

# once CODE NAME [ARGUMENT...]: standard input to that destination; the exit code is held
once() {
    run "-$1" --separate-stderr dist-deliver --once --destination "$2" "${@:3}"
}

# says FILTER: of the one line that was printed
says() {
    [[ $(wc -l <<<"$output") == 1 ]] || fail "more than a line: $output"
    jq -e "$1" <<<"$output" >/dev/null || fail "not $1: $output"
}

@test "one attempt delivers the body as it is, and the line is that of the pipe" {
    rest_destination hook '/in/once/{tenant_id}/{data_type}'
    once 0 hook -t acme -T disk_report <<<'{"n":  1.50}'
    says '.v == 1 and .kind == "result" and .status == "delivered" and .attempts == 1 and .response_code == 200
        and .destination == "hook" and .tenant_id == "acme" and .data_type == "disk_report" and .latency_ms >= 0'
    [[ ! $stderr ]] || fail "$stderr"
    receiver_requests /in/once/acme/disk_report |
        jq -e --arg sha "$(sha256sum <<<'{"n":  1.50}' | cut -d' ' -f1)" --arg id "$(jq -r .delivery_id <<<"$output")" \
            '.body_sha256 == $sha and .headers["idempotency-key"] == $id and .headers["content-type"] == "application/json"'
    dist-status <<<"$output" | grep -q 'hook .*delivered .* 200'
}

@test "nothing but the destination is needed, and DIST_DEFAULT_TENANT is the owner where there is one" {
    rest_destination hook '/in/plain/{tenant_id}'
    once 0 hook <<<'{}'
    says '.tenant_id == "once" and .data_type == "once"'
    DIST_DEFAULT_TENANT=acme once 0 hook <<<'{}'
    says '.tenant_id == "acme"'
    [[ $(receiver_count /in/plain/once) == 1 && $(receiver_count /in/plain/acme) == 1 ]]
}

@test "any bytes are sent with their content type, and the id is the one that was given" {
    local id=0190b2c4-0000-7000-8000-000000000001
    rest_destination hook /in/bytes
    head -c 300000 /dev/urandom >"$BATS_TEST_TMPDIR/body"
    once 0 hook --content-type application/octet-stream --id "$id" <"$BATS_TEST_TMPDIR/body"
    says ".delivery_id == \"$id\""
    receiver_requests /in/bytes | jq -e --arg sha "$(sha256sum <"$BATS_TEST_TMPDIR/body" | cut -d' ' -f1)" \
        '.body_sha256 == $sha and .headers["idempotency-key"] == "'$id'" and .headers["content-type"] == "application/octet-stream"'
}

@test "what the destination rejects is exit code 65, and is asked once" {
    rest_destination strict /in/strict/status/422/body/no%20such%20disk
    once 65 strict <<<'{}'
    says '.status == "dead" and .dead_reason == "rejected" and .response_code == 422
        and .error == "HTTP 422 Unprocessable Content: no such disk"'
    [[ $(receiver_count /in/strict) == 1 && $stderr == *'no such disk'* ]]
    rest_destination moved /in/moved/redirect/https%3A%2F%2Fother.example%2Fsecret%3Fkey=s3cr3t
    once 65 moved <<<'{}'
    says '.error == "HTTP 302 redirects are not followed: to https://other.example"'
    destination failing '{"protocol": "exec", "command": ["/bin/false"]}'
    once 65 failing <<<'{}'
    says '.response_code == 1'
}

@test "what is deferred is exit code 75 and waits for whoever called, whatever the retry policy" {
    local policy
    for policy in none exponential_backoff; do
        rest_destination busy "/in/busy-$policy/status/503" '{"retry_policy": "'$policy'"}'
        once 75 busy <<<'{}'
        says '.status == "waiting" and .attempts == 1 and .response_code == 503'
        [[ $(receiver_count "/in/busy-$policy") == 1 ]]
    done
    rest_destination slow /in/slow/hang '{"timeout": 0.3}'
    once 75 slow <<<'{}'
    says '.status == "waiting" and .latency_ms < 2000'
    destination away '{"protocol": "REST", "endpoint": "http://127.0.0.1:1/"}'
    once 75 away <<<'{}'
    destination later '{"protocol": "exec", "command": ["/bin/sh", "-c", "exit 75"]}'
    once 75 later <<<'{}'
    destination nofolder '{"protocol": "file", "path": "'"$BATS_TEST_TMPDIR"'/none/x"}'
    once 75 nofolder <<<'{}'
}

@test "an answer whose body breaks off is an answer" {
    local kind
    for kind in hang-body wrong-length; do
        rest_destination answered "/in/$kind" '{"timeout": 0.5}'
        once 0 answered <<<'{}'
    done
}

@test "what an operator has to mend is exit code 78, and nobody is asked" {
    rest_destination off /in/off '{"disabled": true}'
    once 78 off <<<'{}'
    says '.status == "dead" and .dead_reason == "unroutable" and .attempts == 0'
    [[ $stderr == *'is disabled'* ]]
    rest_destination secret /in/secret '{"credentials": "nobody"}'
    once 78 secret <<<'{}'
    says '.attempts == 0'
    [[ $stderr == *credentials* ]]
    rest_destination empty /in/empty '{"headers": {"Authorization": "Bearer {token}"}}'
    once 78 empty <<<'{}'
    rest_destination private /in/private
    DIST_ALLOW_PRIVATE=0 once 78 private <<<'{}'
    says '.error | contains("loopback")'
    destination command '{"protocol": "exec", "command": ["/nowhere/command"]}'
    once 78 command <<<'{}'
    destination queue '{"protocol": "AMQP", "connection": {"host": "h"}, "exchange": "e", "routing_key": "r"}'
    once 78 queue <<<'{}'
    [[ $(receiver_count /in/off) == 0 && $(receiver_count /in/secret) == 0 && $(receiver_count /in/empty) == 0 ]]
    once 78 privat <<<'{}'
    [[ ! $output && $stderr == *"no destination is named 'privat'; did you mean 'private'?"* ]]
    echo '{' >"$DIST_CONFIG_DIR/destinations.d/bad.json"
    once 78 private <<<'{}'
    [[ ! $output ]]
}

@test "credentials reach the destination and nothing else" {
    (umask 077 && echo s3cr3t-token >"$DIST_CONFIG_DIR/credentials.d/ops")
    rest_destination auth /in/auth '{"credentials": "ops", "headers": {"X-Key": "{token}"}}'
    once 0 auth <<<'{}'
    [[ $output$stderr != *s3cr3t* ]]
    receiver_requests /in/auth | jq -e '.headers["x-key"] == "s3cr3t-token"'
}

@test "a body that is no body for it is exit code 65 before anybody is asked" {
    rest_destination hook /in/nobody
    once 65 hook <<<'{'
    [[ ! $output && $stderr == *'stdin: line 2, column 1: '* ]] || fail "$stderr"
    DIST_MAX_PAYLOAD=10 once 65 hook --content-type text/plain <<<'more than ten bytes'
    [[ ! $output && $stderr == *'larger than 10 bytes'* ]] || fail "$stderr"
    rest_destination json /in/nobody/json '{"format": "json"}'
    once 65 json --content-type text/plain <<<'no json'
    says '.status == "dead" and .dead_reason == "transform" and .attempts == 0'
    [[ $(receiver_count /in/nobody) == 0 ]]
}

@test "SIGTERM ends the attempt: exit code 75, and the line says that it waits" {
    local pid code=0
    rest_destination hanging /in/hanging/hang
    echo '{}' >"$BATS_TEST_TMPDIR/in"
    dist-deliver --once -d hanging <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&- 4>&- &
    pid=$!
    wait_until 20 receiver_has /in/hanging 1
    kill "$pid"
    wait "$pid" || code=$?
    [[ $code == 75 ]] || fail "exit code $code"
    jq -e '.status == "waiting"' "$BATS_TEST_TMPDIR/out"
}

@test "a line that cannot be written is no success" {
    rest_destination hook /in/full
    run -71 bash -c 'dist-deliver --once -d hook <<<"{}" >/dev/full'
}

@test "wrong calls are exit code 64, and nobody is asked" {
    rest_destination hook /in/calls
    destination both '{"group": ["hook"]}'
    local call
    for call in '--once' '--once -d hook -d hook' '--once -d both' '--once -d hook --id 5' '--once -d hook x' \
        '--once --stream -d hook' '--once -d hook -D dead' '--once -d hook -j' '-d hook' '-t acme' '-T x' \
        '--id 0190b2c4-0000-7000-8000-000000000001' '--content-type text/plain' '-j' '--explain-policy --once' \
        '--explain-policy a b' '--explain-policy -D dead' '--explain-policy -d hook' '--stream -t acme' \
        '--stream hook'; do
        # shellcheck disable=SC2086 # words
        run -64 --separate-stderr dist-deliver $call <<<'{}'
        [[ ! $output && $stderr ]] || fail "$call: $output"
    done
    [[ $(receiver_count /in/calls) == 0 ]]
}

@test "a pattern that can match no name is a wrong call, and one that matches none now is told" {
    local pattern
    rest_destination hook /in/hook
    for pattern in '' '!' 'a b' 'x[' 'a/b'; do
        run -64 --separate-stderr dist-deliver --stream --destination "$pattern"
        [[ $stderr == *'--destination: the pattern'* ]] || fail "'$pattern': $stderr"
    done
}

@test "the policy of a destination is explained, for people and as JSON" {
    rest_destination hook /in/hook '{"retry_policy": {"max_attempts": 4, "backoff_multiplier": 3, "max_backoff": 5},
        "timeout": 7, "concurrency": 9, "rate": "90/m"}'
    run -0 --separate-stderr dist-deliver --explain-policy hook
    [[ ! $stderr ]]
    grep -qE '^Retry-After +obeyed up to 1d$' <<<"$output"
    grep -qE '^timeout +7s' <<<"$output"
    grep -qE '^concurrency +5 attempts at once at first, 9 ' <<<"$output"
    grep -qE '^rate +1.5 attempts per second' <<<"$output"
    grep -qE '^max age +4d' <<<"$output"
    grep -qE '^breaker +opens after 5 ' <<<"$output"
    grep -qE '^3 +3s +4s$' <<<"$output"
    grep -qE '^4 +5s +9s$' <<<"$output"
    grep -qE '^429 +deferred +http_429 +overload ' <<<"$output"
    grep -qE '^410 +rejected +http_410 ' <<<"$output"
    grep -qE '^- +rejected +refused_address +local ' <<<"$output"
    run ! grep -q exit_75 <<<"$output"
    run -0 --separate-stderr dist-deliver --explain-policy --json hook
    says '.destination == "hook" and .retry.policy == "exponential_backoff" and .retry.max_attempts == 4
        and [.retry.attempts[].cumulative_ms] == [0, 1000, 4000, 9000] and .retry.max_retry_after_ms == 86400000
        and .timeout_ms == 7000 and .concurrency == 9 and .rate_per_s == 1.5 and .burst == 1.5
        and .max_age_ms == 345600000 and .breaker == {"failures": 5, "recovery_ms": 60000}
        and ([.outcomes[].protocol] | unique) == ["REST"]
        and (.outcomes[] | select(.code == "503") | .outcome == "deferred" and .overload)'
}

@test "without a name the defaults and all tables are explained, and a group by its members" {
    rest_destination hook /in/hook
    destination command '{"protocol": "exec", "command": ["/bin/true"], "retry_policy": "none"}'
    destination both '{"group": ["hook", "command"]}'
    DIST_RETRY_POLICY=standard_webhooks run -0 --separate-stderr dist-deliver --explain-policy -j
    says '.destination == null and .retry.policy == "standard_webhooks" and (.retry.attempts | length) == 10
        and ([.outcomes[].protocol] | unique) == ["AMQP", "HDFS", "JDBC", "REST", "S3", "SFTP", "SMTP", "SOAP", "exec", "file", "null"]'
    run -0 --separate-stderr dist-deliver --explain-policy
    grep -q '^exec, by exit code$' <<<"$output"
    grep -qE '^ENOSPC +deferred +full ' <<<"$output"
    run -0 --separate-stderr dist-deliver --explain-policy -j both
    [[ $(jq -r .destination <<<"$output") == $'hook\ncommand' ]]
    [[ $(jq -s '.[1].retry.max_attempts' <<<"$output") == 1 ]]
    run -65 --separate-stderr dist-deliver --explain-policy hok
    [[ ! $output && $stderr == *"did you mean 'hook'?"* ]]
    run -71 bash -c 'dist-deliver --explain-policy >/dev/full'
}

@test "the tables of dist-destinations(5) are those of the program" {
    local page protocol reason
    page=$(mandoc -T ascii -O width=1000 "$ROOT/man/dist-destinations.5" | plain_text)
    dist-deliver --explain-policy -j | jq -r '.outcomes[] | select(.code == null
        or (.protocol | IN("REST", "SOAP") | not) or (.reason | startswith("http_") | not)) |
        "\(.outcome) \(.reason)"' | sort -u >"$BATS_TEST_TMPDIR/rows"
    while read -r protocol reason; do
        grep -qE "(^|\s)$protocol +$reason\s*$" <<<"$page" || [[ $reason == null ]] ||
            fail "dist-destinations(5) lacks: $protocol $reason"
    done <"$BATS_TEST_TMPDIR/rows"
}
