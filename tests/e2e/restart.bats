#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
#
# A thousand reports to a server of each kind that is killed in the middle and comes back: none is missing, and none is
# there twice where the protocol can know. S3 and HDFS have theirs in objects.bats, AMQP in amqp.bats.

bats_require_minimum_version 1.5.0
load lib/common

in_flight=20 # attempts at once of a destination here: what the kill of its server can double

setup_file() {
    sandbox_up postgres receiver
    psql -XAtq -h "$DB_HOST" -p "$DB_PORT" -U postgres -d postgres -c "create database reports owner $DB_USER"
}

teardown_file() {
    sandbox_down
}

setup() {
    config_fresh
    delivering=
}

teardown() {
    [[ ! $delivering ]] || kill "$delivering" 2>/dev/null || true
}

# patient NAME JSON: a destination whose thousand reports take three seconds, and that is asked for as long as it takes
patient() {
    destination "$1" "$(jq -cn --argjson form "$2" --argjson most "$in_flight" '{concurrency: $most, rate: "400/s", timeout: 5,
        retry_policy: {max_attempts: 100, max_backoff: "300ms"}} + $form')"
}

# envelopes NAME: a thousand deliveries to it, with their ids, to a file
envelopes() {
    seq 1 1000 | jq -c '{n: .}' | dist-submit --pipe --tenant acme --type report --to "$1" --ndjson | dist-route |
        dist-transform >"$BATS_TEST_TMPDIR/envelopes"
    [[ $(wc -l <"$BATS_TEST_TMPDIR/envelopes") == 1000 ]]
}

# deliver_begin: them, in the background; its pid goes to $delivering
deliver_begin() {
    dist-deliver --dead-letters "$BATS_TEST_TMPDIR/dead" <"$BATS_TEST_TMPDIR/envelopes" >"$BATS_TEST_TMPDIR/results" \
        2>"$BATS_TEST_TMPDIR/log" 3>&- 4>&- &
    delivering=$!
}

# still_delivering: now that the server has gone
still_delivering() {
    kill -0 "$delivering" || fail 'all was delivered before'
}

# all_delivered: it has ended well, and a thousand results say so
all_delivered() {
    wait "$delivering" || fail "$(tail -n 5 "$BATS_TEST_TMPDIR/log")"
    jq -se 'length == 1000 and all(.status == "delivered")' "$BATS_TEST_TMPDIR/results" >/dev/null ||
        fail "$(jq -c 'select(.status != "delivered")' "$BATS_TEST_TMPDIR/results" | head -n 3)"
    [[ ! -s $BATS_TEST_TMPDIR/dead ]]
}

# between COMMAND...: the number that it prints is one of the middle
between() {
    local number
    number=$("$@")
    ((number > 200 && number < 900)) || fail "$number: ${*}"
}

# The receiver records a request before it waits: so some are there whose answer never left.
@test "REST: each request comes once, but for those that were in flight" {
    local all distinct
    patient hook "$(jq -cn --arg url "$RECEIVER_URL/in/restarted/delay/20" '{protocol: "REST", endpoint: $url}')"
    envelopes hook
    deliver_begin
    wait_until 20 between receiver_count /in/restarted
    sandbox down --kill receiver
    still_delivering
    sandbox up receiver
    all_delivered
    all=$(receiver_count /in/restarted) distinct=$(receiver_distinct /in/restarted)
    echo "# $distinct of 1000 requests, $((all - distinct)) of them again" >&3
    [[ $distinct == 1000 ]]
    ((all - distinct <= in_flight))
    diff -q <(jq -r .delivery_id "$BATS_TEST_TMPDIR/results" | sort) \
        <(receiver_requests /in/restarted | jq -r '.headers["idempotency-key"]' | sort -u)
}

# reports SQL: in the database of the destination
reports() {
    psql -XAtq -v ON_ERROR_STOP=1 -h "$DB_HOST" -p "$DB_PORT" -U "$DB_USER" -d reports -c "$1"
}

# table_destination NAME JSON: the table of that name; what stands in JSON is added to the form
table_destination() {
    patient "$1" "$(jq -cn --arg url "postgresql:///reports?host=$DB_HOST&port=$DB_PORT" --arg user "$DB_USER" \
        --arg table "$1" --argjson more "$2" '{protocol: "JDBC", table: $table,
        connection: {url: $url, credentials: {username: $user}}} + $more')"
}

# restart_postgres TABLE: in the middle of the rows
restart_postgres() {
    wait_until 20 between reports "select count(*) from $1"
    sandbox down --kill postgres
    still_delivering
    sandbox up postgres
}

@test "JDBC: with a key each row is there once" {
    reports 'create table keyed (delivery_id uuid primary key, n integer)'
    table_destination keyed '{"key_column": "delivery_id"}'
    envelopes keyed
    deliver_begin
    restart_postgres keyed
    all_delivered
    [[ $(reports 'select count(*), count(distinct n) from keyed') == '1000|1000' ]]
}

@test "JDBC: without a key none is missing, and only what was in flight is there twice" {
    local all distinct
    reports 'create table keyless (n integer)'
    table_destination keyless '{}'
    envelopes keyless
    deliver_begin
    restart_postgres keyless
    all_delivered
    IFS='|' read -r all distinct <<<"$(reports 'select count(*), count(distinct n) from keyless')"
    echo "# $distinct of 1000 rows, $((all - distinct)) of them again" >&3
    [[ $distinct == 1000 ]]
    ((all - distinct <= in_flight))
}

@test "file: the folder goes away in the middle; each report is one file, also when all are sent again" {
    local folder=$BATS_TEST_TMPDIR/out
    mkdir "$folder"
    patient out "$(jq -cn --arg path "$folder/{delivery_id}" '{protocol: "file", path: $path}')"
    envelopes out
    deliver_begin
    wait_until 20 between files "$folder"
    mv "$folder" "$folder.away"
    wait_until 10 grep -q 'No such file or directory' "$BATS_TEST_TMPDIR/log"
    mv "$folder.away" "$folder"
    all_delivered
    diff -q <(seq 1 1000) <(cat "$folder"/* | jq .n | sort -n)
    dist-deliver <"$BATS_TEST_TMPDIR/envelopes" >"$BATS_TEST_TMPDIR/results"
    jq -se 'length == 1000 and all(.status == "delivered")' "$BATS_TEST_TMPDIR/results" >/dev/null
    [[ $(files "$folder") == 1000 ]]
}

# files FOLDER: how many there are
files() {
    find "$1" -maxdepth 1 -type f -not -name '.*' | wc -l
}

@test "exec: what the command needs goes away in the middle; it takes each report once" {
    local folder=$BATS_TEST_TMPDIR/out
    mkdir "$folder"
    # shellcheck disable=SC2016 # the command's own variables
    patient run "$(jq -cn --arg script '[ -d "$1" ] || exit 75; cat >>"$1/$DIST_DELIVERY_ID"' --arg folder "$folder" \
        '{protocol: "exec", command: ["/bin/sh", "-c", $script, "sh", $folder]}')"
    envelopes run
    deliver_begin
    wait_until 20 between files "$folder"
    mv "$folder" "$folder.away"
    wait_until 10 grep -q 'exit code 75' "$BATS_TEST_TMPDIR/log"
    mv "$folder.away" "$folder"
    all_delivered
    diff -q <(seq 1 1000) <(cat "$folder"/* | jq .n | sort -n)
}
