#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# Bad input: each mistake has a message that says where, the documented exit code, and leaves nothing behind

bats_require_minimum_version 1.5.0
load lib/common

setup() {
    config_fresh
    destination sink '{"protocol": "null"}'
}

# refused CODE TEXT ARGUMENTS...: dist-submit on standard input exits with CODE and says TEXT, nothing on stdout
refused() {
    local code=$1 text=$2
    shift 2
    run "-$code" --separate-stderr dist-submit --pipe --tenant acme --type t --to sink "$@"
    [ -z "$output" ]
    [[ $stderr == *"$text"* ]] || { printf 'said: %s\n' "$stderr"; return 1; }
}

@test "truncated JSON" {
    printf '{"a": [1, 2' | refused 65 'line 1, column'
}

@test "JSON with the same key twice is named by its pointer" {
    printf '{"a": {"b": 1,\n "b": 2}}' | refused 65 "/a"
}

@test "JSON nested too deeply" {
    { printf '[%.0s' {1..2000}; } | refused 65 'levels'
}

@test "JSON with a NUL, raw or escaped" {
    printf '{"a": "x\0y"}' | refused 65 '0x00'
    printf '{"a": "x\\u0000y"}' | refused 65 'NUL'
}

@test "JSON that is not UTF-8" {
    printf '{"a": "\377"}' | refused 65 'UTF-8'
}

@test "an empty payload is no JSON, and is fine as text" {
    printf '' | refused 65 ''
    printf '' | dist-submit --pipe --tenant acme --type t --to sink --content-type text/plain | jq -e '.body == ""'
}

@test "a payload over the limit" {
    export DIST_MAX_PAYLOAD=1K
    head -c 2000 /dev/zero | refused 65 '1024' --content-type application/octet-stream
}

@test "missing tenant, type and destination are named" {
    run -65 --separate-stderr dist-submit --pipe --type t --to sink <<<'{}'
    [[ $stderr == *--tenant* ]]
    run -65 --separate-stderr dist-submit --pipe --tenant acme --to sink <<<'{}'
    [[ $stderr == *--type* ]]
    run -65 --separate-stderr dist-submit --pipe --tenant acme --type t <<<'{}'
    [[ $stderr == *--to* ]]
}

@test "a wrong priority names the words" {
    run -64 --separate-stderr dist-submit --pipe --tenant acme --type t --to sink --priority nomal <<<'{}'
    [[ $stderr == *normal* ]]
}

@test "bad durations and dates" {
    run -64 --separate-stderr dist-submit --pipe --tenant acme --type t --to sink --expires soon <<<'{}'
    [[ $stderr == *--expires* ]]
    run -65 --separate-stderr dist-submit --pipe --tenant acme --type t --to sink --expires 2001-01-01T00:00:00Z <<<'{}'
    run -64 --separate-stderr dist-status --list --since yesterday
}

@test "a request's unknown field is refused with the nearest name" {
    run -65 --separate-stderr dist-submit --pipe --request <<<'{"tenant_id": "acme", "data_type": "t",
        "destinations": ["sink"], "payload": {}, "prioritty": "low"}'
    [[ $stderr == *"prioritty"*"priority"* ]]
    run -65 --separate-stderr dist-submit --pipe --request <<<'{"tenant_id": "acme", "data_type": "t",
        "destinations": [{"name": "other", "protocol": "REST", "endpont": "x"}], "payload": {}}'
    [[ $stderr == *"'other'"*"endpont"*"endpoint"* ]]
}

@test "a request's wrong types are named by pointer" {
    run -65 --separate-stderr dist-submit --pipe --request <<<'{"tenant_id": 7, "data_type": "t",
        "destinations": ["sink"], "payload": {}}'
    [[ $stderr == *"/tenant_id"* ]]
    run -65 --separate-stderr dist-submit --pipe --request <<<'{"tenant_id": "acme", "data_type": "t",
        "destinations": ["sink"], "payload": {}, "options": {"timeout": "long"}}'
    [[ $stderr == *"/options/timeout"* ]]
}

@test "a request may not name a command, a file, or another's credentials" {
    run --separate-stderr dist-submit --pipe --request <<<'{"tenant_id": "acme", "data_type": "t", "payload": {},
        "destinations": [{"name": "x", "protocol": "exec", "command": ["/bin/true"]}]}'
    [ "$status" = 77 ]
    run --separate-stderr dist-submit --pipe --request <<<'{"tenant_id": "acme", "data_type": "t", "payload": {},
        "destinations": [{"name": "sink", "protocol": "REST", "endpoint": "https://evil.example/"}]}'
    [ "$status" = 77 ]
}

@test "a file that is not there" {
    run -65 --separate-stderr dist-submit --pipe --tenant acme --type t --to sink "$BATS_TEST_TMPDIR/none.json"
    [[ $stderr == *none.json*"No such file"* ]]
}

@test "a terminal on stdin without '-' is a usage error" {
    run -64 script -qec "dist-submit --pipe --tenant acme --type t --to sink" /dev/null
    [[ $output == *"terminal"* ]]
}

@test "every mistake of the configuration in one run, with file, line and name" {
    printf 'REDIS_HOTS=x\nDB_PORT=many\n' >"$DIST_CONFIG_DIR/dist.conf"
    run -78 --separate-stderr dist-admin config --check
    [[ $stderr == *"dist.conf:1: "*REDIS_HOTS*REDIS_HOST* ]]
    [[ $stderr == *"dist.conf:2: "*DB_PORT* ]]
    : >"$DIST_CONFIG_DIR/dist.conf"
    destination one '{"protocol": "REST", "endpoint": 7}'
    destination two '{"protocol": "RESTT"}'
    destination three '{"protocol": "REST"'
    run -78 --separate-stderr dist-admin config --check
    [[ $stderr == *"one.json"*"/endpoint"* && $stderr == *"two.json"*"/protocol"* && $stderr == *"three.json"*"line 2"* ]]
}

@test "the form of the specification for AMQP is taken; the stored secret is asked for" {
    destination queue '{"protocol": "AMQP", "connection": {"host": "rabbitmq.cluster.local", "port": 5672,
        "vhost": "/zenia", "credentials": {"username": "zenia_distributor", "password": "{secret}"}},
        "exchange": "zenia.distribution", "routing_key": "report.{tenant_id}", "delivery_mode": 2}'
    run -0 dist-admin destination list
    run -78 --separate-stderr dist-admin destination check queue
    [[ $stderr == *'no password: "credentials" names none'* ]]
}

@test "no server at all: the message names it and where it was looked for" {
    export DB_HOST=$BATS_TEST_TMPDIR/nowhere REDIS_HOST=$BATS_TEST_TMPDIR/nowhere.sock
    run -75 --separate-stderr dist-submit --tenant acme --type t --to sink <<<'{}'
    [[ $stderr == *PostgreSQL*"$BATS_TEST_TMPDIR/nowhere"* ]]
    [ -z "$output" ]
    run -69 --separate-stderr dist-status 018c0000-0000-7000-8000-000000000000
    run -69 dist-admin doctor
}

@test "a write that fails is an error, a closed pipe is a quiet one" {
    run --separate-stderr bash -c 'dist-submit --pipe --tenant acme --type t --to sink <<<"{}" >/dev/full'
    [ "$status" = 71 ]
    # shellcheck disable=SC2016 # it is the inner shell's
    run --separate-stderr bash -c 'seq 1 100000 | jq -c "{n: .}" |
        dist-submit --pipe --ndjson --tenant acme --type t --to sink | head -1 >/dev/null; echo "${PIPESTATUS[2]}"'
    [ "$output" = 71 ]
    [ -z "$stderr" ]
}
