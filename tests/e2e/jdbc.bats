#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# Rows of a PostgreSQL table: one attempt, the check of a destination, and the service, killed in the middle

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up redis postgres
    export DIST_LEASE=2s DIST_SERVER_TIMEOUT=1900ms # what a killed worker held is soon another one's
    tenant acme
    psql -XAtq -h "$DB_HOST" -p "$DB_PORT" -U postgres -d postgres -c "create database reports owner $DB_USER"
    reports "create table daily_reports (delivery_id uuid primary key, n integer, tenant text)"
    table_destination table '{"key_column": "delivery_id", "values": {"tenant": "{tenant_id}"}}'
}

teardown_file() {
    services_stop
    sandbox_down
}

# Each test begins with an empty table.
setup() {
    reports 'truncate daily_reports'
}

# reports SQL: in the database of the destination
reports() {
    psql -XAtq -v ON_ERROR_STOP=1 -h "$DB_HOST" -p "$DB_PORT" -U "$DB_USER" -d reports -c "$1"
}

# table_destination NAME JSON: daily_reports by the socket; what stands in JSON is added to the form
table_destination() {
    destination "$1" "$(jq -cn --arg url "postgresql:///reports?host=$DB_HOST&port=$DB_PORT" --arg user "$DB_USER" \
        --argjson more "$2" '{protocol: "JDBC", connection: {url: $url, credentials: {username: $user}},
        table: "public.daily_reports", timeout: 10, retry_policy: {max_backoff: "200ms", max_attempts: 50}} + $more')"
}

@test "one attempt writes a row, and the same id writes it once" {
    local id=0190b2c4-0000-7000-8000-000000000001
    for _ in 1 2; do
        run -0 --separate-stderr dist-deliver --once --destination table -t acme --id "$id" <<<'{"n": 7}'
        jq -e '.status == "delivered" and .attempts == 1' <<<"$output"
    done
    [[ $(reports "select n, tenant, count(*) over () from daily_reports where delivery_id = '$id'") == '7|acme|1' ]]
    run -65 --separate-stderr dist-deliver --once --destination table <<<'{"n": "seven"}'
    jq -e '.status == "dead" and (.error | startswith("SQLSTATE 22P02: "))' <<<"$output" || fail "$output"
}

@test "the check of a destination finds the table, and that it is missing" {
    run -0 --separate-stderr dist-admin destination check table
    [[ $output == *table*JDBC*ok* ]]
    table_destination missing '{"table": "monthly_reports"}'
    run -69 --separate-stderr dist-admin destination check missing
    [[ $stderr == *'SQLSTATE 42P01: relation "monthly_reports" does not exist'* ]]
    rm "$DIST_CONFIG_DIR/destinations.d/missing.json"
}

@test "the form of the specification is taken as it stands, and another database is refused by name" {
    destination spec '{"protocol": "JDBC", "connection": {"url": "jdbc:postgresql://db.consumer.com:5432/reports",
        "driver": "org.postgresql.Driver", "credentials": {"username": "zenia_writer", "password": "{secret}"}},
        "table": "daily_reports", "batch_size": 100, "isolation_level": "READ_COMMITTED"}'
    run -0 dist-admin config --check
    run -0 --separate-stderr dist-submit --pipe --tenant acme --type t --to spec <<<'{}'
    destination spec '{"protocol": "JDBC", "connection": {"url": "jdbc:mysql://db/reports"}, "table": "t"}'
    run -78 --separate-stderr dist-admin config --check
    [[ $stderr == *"only PostgreSQL is delivered to, not 'mysql'"* ]]
    rm "$DIST_CONFIG_DIR/destinations.d/spec.json"
}

@test "the policy is explained with its SQLSTATEs" {
    run -0 --separate-stderr dist-deliver --explain-policy table
    [[ $output == *'JDBC, by SQLSTATE'* ]]
    grep -qE '^22000 to 22ZZZ +rejected +data ' <<<"$output"
    grep -qE '^40P01 +deferred +deadlock ' <<<"$output"
    grep -qE '^53300 +deferred +connections +overload ' <<<"$output"
}

# rows_are NUMBER: so many distinct ones, and nothing else
rows_are() {
    is "$1|$1" reports 'select count(*), count(distinct n) from daily_reports'
}

@test "500 reports are there once each, though dist-deliver is killed in the middle" {
    services_start
    reports "create function slow() returns trigger language plpgsql as
            'begin perform pg_sleep(0.003); return new; end';
        create trigger slow before insert on daily_reports for each row execute function slow()"
    seq 1 500 | jq -c '{n: .}' | dist-submit --tenant acme --type daily --to table --ndjson --quiet
    for kill in 1 2; do
        wait_until 20 more_than "$((kill * 100))"
        service_stop deliver KILL
        run ! more_than 499
        service_start deliver
    done
    wait_until 40 is 500 sql "select count(*) from distribution_jobs where data_type = 'daily' and status = 'completed'"
    rows_are 500
    reports 'drop trigger slow on daily_reports'
    dist-admin audit
}

more_than() {
    (($(reports 'select count(*) from daily_reports') > $1))
}

@test "a report that the table refuses is a dead letter, and goes after the table was mended" {
    service_running deliver || services_start
    seq 1 20 | jq -c '{n: ., extra: (. == 7)} | if .extra then . else del(.extra) end' |
        dist-submit --tenant acme --type mended --to table --ndjson --quiet
    wait_until 20 is '1|19' sql "select count(*) filter (where d.status = 'dead'),
        count(*) filter (where d.status = 'delivered') from distribution_deliveries d
        join distribution_jobs j on j.id = d.job_id where j.data_type = 'mended'"
    reports 'alter table daily_reports add column extra boolean'
    dist-dlq replay --all --destination table
    wait_until 20 rows_are 20
}
