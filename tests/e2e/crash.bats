#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# kill -9 between every two durable effects: each tool, at each point, for REST and exec; and where rows are odd

bats_require_minimum_version 1.5.0
load lib/common
load lib/crash

setup_file() {
    crash_matrix rest exec poison single pair
}

teardown_file() {
    services_stop
    sandbox_down
}

@test "the table of points, the calls in the source and the page are the same" {
    called=$(grep -rhoE 'crash_point\(.*\)' "$ROOT/lib" | grep -oE '"[a-z]+:[a-z-]+"' | tr -d '"' | sort -u)
    table=$(grep -oE '"[a-z]+:[a-z-]+"' "$ROOT/lib/base/crash.c" | tr -d '"' | sort -u)
    page=$(sed -n '/^\.Ss Crash points/,/^\.Ss The/p' "$ROOT/man/dist-internals.7" |
        grep -oE '[a-z]+:[a-z-]+' | sort -u)
    [ "$called" = "$table" ]
    [ "$page" = "$table" ]
    [ "$(printf '%s\n' "${cells[@]}" settle:single pump:recalled route:given-up transform:given-up | sort -u)" = "$table" ]
}

@test "a point that does not exist is a mistake in the configuration" {
    DIST_CRASH_AT=route:svaed run -78 dist-admin config
    [[ $output == *"did you mean 'route:saved'?"* ]]
}

@test "REST: killed at every point, every report ends once, and is sent twice in the one window only" {
    held rest
}

@test "exec: the same" {
    held exec
}

@test "an entry over which three workers died is given up once, however often that is interrupted" {
    [ "$(sort "$RESULTS/poison")" = "$(printf '%s\n' 'route:given-up 0' 'transform:given-up 0')" ] ||
        fail "$(cat "$RESULTS/poison" "$RESULTS"/poison-*)"
}

@test "killed while deliveries go to another member of their group: none is lost, none is sent twice" {
    [ "$(cat "$RESULTS/pair")" = 'pump:recalled 0' ] || fail "$(cat "$RESULTS/pair" "$RESULTS"/pair-*)"
}

@test "killed among outcomes that are recorded one by one: each is recorded once" {
    [[ $(<"$RESULTS/single") =~ ^settle:single\ [0-9]+$ ]] || fail "$(cat "$RESULTS/single" "$RESULTS"/single-*)"
}
