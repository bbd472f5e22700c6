#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
#
# networks.json: which tenants may connect where.

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up
    tenant acme beta
}

teardown_file() {
    services_stop
    sandbox_down
}

setup() {
    export DIST_ALLOW_PRIVATE=0
    rm -f "$DIST_CONFIG_DIR/networks.json" "$DIST_CONFIG_DIR"/destinations.d/*
}

networks() {
    printf '%s\n' "$1" >"$DIST_CONFIG_DIR/networks.json"
}

# once EXIT TENANT DESTINATION
once() {
    run "-$1" --separate-stderr dist-deliver --once --tenant "$2" -d "$3" <<<'{}'
}

@test "a private network is open to the tenant that has it, and to no other" {
    rest_destination hook /in/own
    networks '{"tenants": {"acme": {"allow": ["127.0.0.0/8"]}}}'
    once 0 acme hook
    once 78 beta hook
    jq -e '.error | test("the address is refused: loopback")' <<<"$output"
    [ "$(receiver_count /in/own)" = 1 ]
    run -0 --separate-stderr dist-admin destination check -t acme hook
    run -78 --separate-stderr dist-admin destination check hook
    [[ $stderr == *'hook: the address is refused: loopback (127.0.0.0/8)'* ]]
}

@test "what is denied is refused even where private addresses are allowed, by address and port" {
    local port=${RECEIVER_URL##*:}
    rest_destination hook /in/denied '{"allow_private": true}'
    networks "$(jq -cn --arg to "127.0.0.1:$port" '{default: {deny: [$to], allow: ["127.0.0.0/8"]}}')"
    once 78 acme hook
    jq -e --arg to "127.0.0.1:$port" '.error | contains("denied by networks.json (" + $to + ")")' <<<"$output"
    DIST_ALLOW_PRIVATE=1 once 78 acme hook
    run -78 --separate-stderr dist-admin destination check hook
    [[ $stderr == *'denied by networks.json'* ]]
    networks '{"default": {"deny": ["127.0.0.1:1"]}, "tenants": {"beta": {"only": ["192.0.2.0/24"]}}}'
    once 0 acme hook
    once 78 beta hook
    jq -e '.error | contains("outside of \"only\"")' <<<"$output"
    [ "$(receiver_count /in/denied)" = 1 ]
}

@test "every mistake of the file has its line, and nothing runs with one" {
    rest_destination hook /in/mistakes
    networks $'{"default": {"deny": ["10.1/16"],\n "allow": ["127.0.0.0/8", "localhost"]}}'
    once 78 acme hook
    [[ ! $output && $stderr == *'networks.json: line 1: /default/deny/0: "10.1/16" is no network'* ]]
    [[ $stderr == *'networks.json: line 2: /default/allow/1: "localhost" is no network'* && $stderr == *'has 2 mistakes'* ]]
    run -78 --separate-stderr dist-admin config --check
    [[ $stderr == *'networks.json: line 2'* ]]
    networks '{"tenant": {}}'
    run -78 --separate-stderr dist-admin config --check
    [[ $stderr == *"unknown member 'tenant'; did you mean 'tenants'?"* ]]
    rm "$DIST_CONFIG_DIR/networks.json"
    mkfifo "$DIST_CONFIG_DIR/networks.json"
    once 78 acme hook
    [[ $stderr == *'networks.json: is no regular file'* ]]
    rm "$DIST_CONFIG_DIR/networks.json"
    [ "$(receiver_count /in/mistakes)" = 0 ]
}

# said NUMBER TEXT: the service has, so many times
said() {
    (($(grep -c "$2" "$(service_log deliver)") >= $1))
}

@test "the service reads the file again at SIGHUP; one with a mistake is refused whole" {
    rest_destination hook /in/service
    networks '{"tenants": {"acme": {"allow": ["127.0.0.0/8"]}}}'
    service_start route
    service_start transform
    service_start deliver
    id=$(dist-submit --tenant acme --type t --to hook <<<'{}')
    dist-status --wait --timeout 20s "$id" >/dev/null
    [ "$(receiver_count /in/service)" = 1 ]
    run -0 dist-submit --tenant beta --type t --to hook <<<'{}'
    run -1 dist-status --wait --timeout 20s "$output" # over the kept connection neither
    networks '{"default": {"deny": ["127.0.0.1"]}, "tenants": []}'
    kill -HUP "$(service_pid deliver)"
    wait_until 10 said 1 'in force stay'
    networks '{"default": {"deny": ["127.0.0.1"]}, "tenants": {"acme": {"allow": ["127.0.0.0/8"]}}}'
    id=$(dist-submit --tenant acme --type t --to hook <<<'{}') # nobody has told the service yet
    dist-status --wait --timeout 20s "$id" >/dev/null
    [ "$(receiver_count /in/service)" = 2 ]
    kill -HUP "$(service_pid deliver)"
    wait_until 10 said 1 'have been read again'
    id=$(dist-submit --tenant acme --type t --to hook <<<'{}')
    run -1 dist-status --wait --timeout 20s "$id"
    [ "$(receiver_count /in/service)" = 2 ]
    run -0 dist-dlq list --json "$id"
    jq -e '.error | contains("denied by networks.json (127.0.0.1)")' <<<"$output"
}
