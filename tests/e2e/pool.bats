#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# dist-deliver --stream --destination: workers for some destinations alone

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up
    tenant acme
    rest_destination slow-1 /in/slow-1
    rest_destination slow-2 /in/slow-2
    rest_destination hook /in/hook
    services_start route transform
}

teardown_file() {
    services_stop
    sandbox_down
}

submit() {
    dist-submit --tenant acme --type disk_report "$@" <<<'{}'
}

@test "a worker serves what its patterns say, and the rest waits for the worker that serves it" {
    local id
    service_start deliver-slow --destination 'slow-*' --destination '!slow-2'
    id=$(submit --to slow-1 --to slow-2 --to hook)
    wait_until 20 receiver_has /in/slow-1 1
    # a second one goes all the way while the others are waiting in their lanes
    dist-status --wait --timeout 20s "$(submit --to slow-1)"
    [[ $(receiver_count /in/slow-2) == 0 && $(receiver_count /in/hook) == 0 ]]
    service_start deliver-rest --destination '!slow-1'
    dist-status --wait --timeout 20s "$id"
    [[ $(receiver_count /in/slow-2) == 1 && $(receiver_count /in/hook) == 1 && $(receiver_count /in/slow-1) == 2 ]]
}

@test "a pattern that is no configured destination's is told at the start" {
    service_start deliver-slip --destination 'slwo-*'
    grep -q "no configured destination is 'slwo-\*'" "$(service_log deliver-slip)"
    service_stop deliver-slip
}

@test "a change of the destinations needs no new worker" {
    local name
    service_running deliver-slow && service_running deliver-rest
    rest_destination slow-3 /in/slow-3
    kill -HUP "$(service_pid route)" "$(service_pid transform)" "$(service_pid deliver-slow)" "$(service_pid deliver-rest)"
    for name in route transform deliver-slow deliver-rest; do
        wait_until 20 grep -q 'have been read again' "$(service_log "$name")"
    done
    service_stop deliver-rest
    dist-status --wait --timeout 20s "$(submit --to slow-3)"
    [[ $(receiver_count /in/slow-3) == 1 ]]
}
