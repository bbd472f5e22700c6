#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# Servers that work in part: nothing is lost, ended falsely, or sent again without need

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up
    tenant acme
    export DIST_LEASE=11s
    rest_destination hook /in/hook '{"concurrency": 50}'
    services_start
}

teardown_file() {
    services_stop
    sandbox_down
}

# submit TYPE NUMBER [TO]: so many small reports
submit() {
    seq 1 "$2" | jq -c '{n: .}' | dist-submit --tenant acme --type "$1" --to "${3:-hook}" --ndjson --quiet
}

# completed TYPE: how many distributions of this data type are completed
completed() {
    sql "select count(*) from distribution_jobs where status = 'completed' and data_type = '$1'"
}

# break_table TABLE WHAT: every WHAT (insert, update) on the table fails, as if PostgreSQL were broken
break_table() {
    sql "create or replace function broken() returns trigger language plpgsql
         as \$\$ begin raise exception 'out of order' using errcode = '$3'; end \$\$;
         create trigger broken before $2 on $1 for each statement execute function broken()"
}

mend_table() {
    sql "drop trigger broken on $1"
}

@test "an unroutable dead letter is delivered once its destination exists and it is replayed" {
    rest_destination later /in/later
    other=$BATS_TEST_TMPDIR/other
    cp -r "$DIST_CONFIG_DIR" "$other"
    rm "$DIST_CONFIG_DIR/destinations.d/later.json"
    id=$(echo '{}' | DIST_CONFIG_DIR=$other dist-submit --tenant acme --type t --to later)
    run -1 dist-status --wait --timeout 10s "$id"
    run -0 dist-dlq list --json "$id"
    [ "$(jq -r .reason <<<"$output")" = unroutable ]
    rest_destination later /in/later
    for name in route transform deliver; do
        kill -HUP "$(service_pid "$name")"
    done
    wait_until 10 grep -q 'read again' "$(service_log transform)"
    dist-dlq replay "$(jq -r .delivery_id <<<"$output")"
    run -0 dist-status --wait --timeout 20s "$id"
    [ "$(receiver_count /in/later)" = 1 ]
}

@test "what is submitted right after a SIGHUP is delivered by what was read again" {
    for i in $(seq 20); do
        rest_destination "next-$i" "/in/next/$i"
        kill -HUP "$(service_pid route)" "$(service_pid transform)" "$(service_pid deliver)"
        echo '{}' | dist-submit --tenant acme --type next --to "next-$i" --quiet
    done
    wait_until 20 is 0 sql "select count(*) from distribution_jobs where data_type = 'next' and completed_at is null"
    [ "$(completed next)" = 20 ]
}

@test "a PostgreSQL that refuses to write fails no job: it is waited for" {
    break_table distribution_deliveries insert XX000
    submit refused 50
    wait_until 10 grep -q 'out of order' "$(service_log route)"
    mend_table distribution_deliveries
    wait_until 30 is 50 completed refused
    service_running route
    [ "$(sql "select count(*) from distribution_jobs where status = 'failed'")" = 0 ]
}

@test "outcomes that cannot be recorded stop the sending, and nothing is sent twice" {
    break_table distribution_attempts insert 53100
    before=$(receiver_count /in/hook)
    submit full 1000
    wait_until 10 grep -q 'out of order' "$(service_log deliver)"
    wait_until 5 receiver_has /in/hook $((before + 1))
    sent=$(($(receiver_count /in/hook) - before))
    ((sent <= 250)) || fail "$sent were sent although none could be recorded"
    mend_table distribution_attempts
    wait_until 60 is 1000 completed full
    [ $(($(receiver_count /in/hook) - before)) = 1000 ]
}

@test "PostgreSQL away for longer than the lease, with two workers: nothing is sent twice" {
    rest_destination slow /in/slow/delay/2000 '{"concurrency": 50}'
    service_start deliver-2
    kill -HUP "$(service_pid deliver)"
    for name in route transform; do
        kill -HUP "$(service_pid "$name")"
    done
    submit outage 40 slow
    wait_until 20 receiver_has /in/slow 40
    sandbox down postgres --kill
    sleep 14 # the time is the thing: longer than the lease
    sandbox up postgres
    wait_until 60 is 40 completed outage
    service_stop deliver-2
    [ "$(receiver_count /in/slow)" = 40 ]
}

@test "killed with all in hand, again and again: what is innocent is not poison" {
    rest_destination tarpit /in/tarpit/delay/700 '{"concurrency": 10}'
    for name in route transform; do
        kill -HUP "$(service_pid "$name")"
    done
    service_stop deliver
    service_start deliver
    submit innocent 20 tarpit
    for _ in 1 2; do
        wait_until 30 receiver_has /in/tarpit 1
        service_stop deliver KILL
        receiver_reset
        service_start deliver
    done
    wait_until 120 is 20 completed innocent
    [ "$(sql "select count(*) from distribution_deliveries where dead_reason = 'poison'")" = 0 ]
}
