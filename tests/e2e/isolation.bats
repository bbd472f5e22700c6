#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# No destination and no tenant delays another: scripts/isolation in sizes for every day, with its bounds

bats_require_minimum_version 1.5.0
load lib/common

# measured CASE ARGUMENT...
measured() {
    run "$ROOT/scripts/isolation" --build "$DIST_BUILD" "$@" 3>&- 4>&-
    printf '%s\n' "$output" | sed 's/^/# /' >&3
    [ "$status" = 0 ]
    [[ $output == *': ok'* && $output != *FAILED* ]]
}

@test "a destination that never answers does not delay nine healthy ones" {
    measured hole --count 2000 --rate 200
}

@test "a tenant that floods a destination does not delay another tenant's hundred" {
    measured flood --count 5000
}

@test "a backlog for a dead destination waits in PostgreSQL: dist-deliver and Redis stay small" {
    measured backlog --count 5000 --window 200
}

@test "isolation: -h, and what it does not understand" {
    run -0 "$ROOT/scripts/isolation" -h
    [[ $output == *Usage:* && $output == *p99* ]]
    run -64 "$ROOT/scripts/isolation"
    run -64 "$ROOT/scripts/isolation" --count 0 hole
    run -69 "$ROOT/scripts/isolation" --build /nonexistent hole
}
