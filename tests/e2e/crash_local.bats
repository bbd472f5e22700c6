#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# kill -9 between every two durable effects: each tool, at each point, for file and null

bats_require_minimum_version 1.5.0
load lib/common
load lib/crash

setup_file() {
    crash_matrix file null
}

teardown_file() {
    services_stop
    sandbox_down
}

@test "file: killed at every point, every report ends once, and there is one file of each" {
    held file
}

@test "null: killed at every point, every report ends once, and no attempt delivers again" {
    held null
}
