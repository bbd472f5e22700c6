#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# The short form of make chaos: random faults for a quarter of a minute, and nothing is lost

bats_require_minimum_version 1.5.0
load lib/common

@test "random faults while a thousand distributions are in flight: every accepted id ends, and the audit finds nothing" {
    run "$ROOT/scripts/chaos" --build "$DIST_BUILD" --seed "${DIST_TEST_SEED:-7}" --duration 15 --distributions 1200 3>&- 4>&-
    printf '%s\n' "$output" | sed 's/^/# /' >&3
    [ "$status" = 0 ]
    grep -Eq '^dist_unaccounted +0 ' <<<"$output"
}

@test "chaos: -h, and what it does not understand" {
    run -0 "$ROOT/scripts/chaos" -h
    [[ $output == *Usage:* ]]
    run -64 "$ROOT/scripts/chaos" --seed x
    run -64 "$ROOT/scripts/chaos" --nosuch
    run -69 "$ROOT/scripts/chaos" --build /nonexistent
}
