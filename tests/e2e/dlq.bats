#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# Dead letters, in PostgreSQL and in the file of dist-deliver; and that what is printed for people is harmless

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up
    tenant acme
    standard_destinations
    services_start
}

teardown_file() {
    services_stop
    sandbox_down
}

setup() {
    dead=$BATS_TEST_TMPDIR/dead
    no_id=018c0000-0000-7000-8000-000000000000
}

standard_destinations() {
    rest_destination strict /in/strict/status/422
    rest_destination strict-too /in/strict-too/status/422
    rest_destination down /in/down/status/503 '{"retry_policy": "none"}'
    rest_destination down-too /in/down-too/status/503 '{"retry_policy": "none"}'
    rest_destination fine /in/fine
    destination both '{"group": ["down", "down-too"]}'
}

# die ARGUMENT...: standard input through the pipe, into the file of dead letters
die() {
    (dist-submit --pipe --tenant acme --type disk_report "$@" | dist-route | dist-transform |
        dist-deliver -D "$dead" || true) >/dev/null
}

# died FILTER: of each dead letter in the file, the first one first
died() {
    jq -r "$1" "$dead"
}

# submit_dead ARGUMENT...: to the services, until it has ended; prints the distribution's id
submit_dead() {
    local id
    id=$(dist-submit --tenant acme --type disk_report "$@") || return
    dist-status --wait --timeout 20s "$id" >/dev/null || true
    echo "$id"
}

# deliveries ID: the dead ones of this distribution, one per line
deliveries() {
    dist-dlq list --json "$1" | jq -r .delivery_id
}

# said_last TEXT: the last line of $output is this
said_last() {
    [[ ${output##*$'\n'} == "$1" ]] || fail "$output"
}

# harmless TEXT: no escape sequence and no C1, neither as a byte of its own
harmless() {
    [[ $1 != *$'\033'* && $1 != *$'\302\233'* && $1 != *$'\r'* ]] || fail "$(cat -v <<<"$1")"
}

# --- the file ---

@test "a replay into the file that it reads ends" {
    seq 1 20 | jq -c '{n: .}' | die --ndjson --to strict
    (timeout 20 dist-dlq replay --all -f "$dead" | dist-transform | timeout 20 dist-deliver -D "$dead" || true) \
        >"$BATS_TEST_TMPDIR/out"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/out")" = 20 ]
    [ "$(wc -l <"$dead")" = 40 ]
}

@test "what comes into a file while it is read is not replayed" {
    seq 1 20 | jq -c '{n: .}' | die --ndjson --to strict
    # shellcheck disable=SC2094 # that is the point
    timeout 20 dist-dlq replay --all -f "$dead" >>"$dead"
    [ "$(wc -l <"$dead")" = 40 ]
}

@test "a pipe in the place of the file is read to its end" {
    die --to strict <<<'{}'
    run -0 dist-dlq list --json -f <(cat "$dead" "$dead")
    [ "${#lines[@]}" = 2 ]
}

@test "--limit counts in a file, for list, show and replay" {
    seq 1 5 | jq -c '{n: .}' | die --ndjson --to strict
    run -0 dist-dlq list -f "$dead" --limit 2 --json
    [ "$(jq -r .delivery_id <<<"$output")" = "$(died .delivery_id | head -n 2)" ]
    mapfile -t ids < <(died .delivery_id)
    run -0 --separate-stderr dist-dlq show -f "$dead" --limit 1 --body "${ids[@]}"
    [ "$output" = "$(died .body | head -n 1)" ]
    run -0 --separate-stderr dist-dlq replay -f "$dead" --limit 3 --all
    [ "${#lines[@]}" = 3 ]
    run -0 dist-dlq replay -f "$dead" --limit 3 --all --dry-run
    said_last '3 would be replayed'
    run -0 dist-dlq replay -f "$dead" --limit 9 --all --dry-run
    said_last '5 would be replayed'
}

@test "--error takes upper and lower case for the same, in a file and in PostgreSQL" {
    die --to strict <<<'{}'
    error=$(died .error)
    [[ ${error^^} != "$error" ]]
    run -0 dist-dlq list -f "$dead" --error "${error^^}" --json
    [ "${#lines[@]}" = 1 ]
    id=$(submit_dead --to strict <<<'{}')
    run -0 dist-dlq list --error "${error^^}" --json "$id"
    [ "${#lines[@]}" = 1 ]
    run -0 dist-dlq list -f "$dead" --error 'another text'
    [ -z "$output" ]
}

@test "ids that are not in the file are named, and the others are worked on" {
    die --to strict --to strict-too <<<'{}'
    distribution=$(died .distribution_id | head -n 1)
    for words in "list -j" show "replay -n" replay; do
        read -ra words <<<"$words"
        run -1 --separate-stderr dist-dlq "${words[@]}" -f "$dead" "$distribution" "$no_id"
        [[ $output && $stderr == *"1 of 2 ids"*"$no_id"* && $stderr != *"$distribution"* ]] ||
            fail "${words[*]}: $output; $stderr"
    done
    run -0 --separate-stderr dist-dlq replay -f "$dead" "$distribution"
    [ "${#lines[@]}" = 2 ]
    [ -z "$stderr" ]
}

@test "a list says nothing of a time or a code that nobody knows" {
    die --to strict <<<'{}'
    run -0 dist-dlq list -f "$dead" --json
    jq -e '.died_at == null and .status_code == null and (.submitted_at | test("Z$"))' <<<"$output"
}

@test "of a group, the destination that failed is named" {
    die --to both <<<'{}'
    died .candidates | jq -e '. == ["down", "down-too"]'
    [ "$(died .attempts)" = 2 ]
    run -0 dist-dlq list -f "$dead" --json
    [ "$(jq -r .destination <<<"$output")" = down-too ]
    run -0 dist-dlq list -f "$dead" --destination down
    [ -z "$output" ]
    run -0 dist-dlq show -f "$dead" "$(died .delivery_id)"
    [[ $output == *"destination   down-too"* ]]
}

@test "a letter that died before its first attempt names the destination or the target" {
    die --to fine <<<'{}'
    dist-submit --pipe -t acme -T t --to fine <<<'{}' | dist-route | dist-transform |
        jq -c '.status = "dead" | .dead_reason = "unroutable" | .candidates = []' >"$dead"
    run -0 dist-dlq list -f "$dead" --json
    jq -e '.destination == "fine" and .reason == "unroutable" and .attempts == 0' <<<"$output"
    run -0 dist-dlq show -f "$dead" "$(died .delivery_id)"
    [[ $output == *"destination   -"* ]]
    run -0 dist-dlq replay -f "$dead" --all
    jq -e '.candidates == [] and .status == "queued"' <<<"$output"
}

@test "list and replay of a file have their own synopsis, without --since" {
    run -0 dist-dlq -h
    [[ $output == *'list -f file'* && $output == *'replay -f file'* ]]
    run -64 dist-dlq list -f "$dead" --since 1d
}

# --- PostgreSQL ---

@test "a distribution with two dead letters does not hide an id that names none" {
    id=$(submit_dead --to strict --to strict-too <<<'{}')
    run -1 --separate-stderr dist-dlq replay --dry-run "$id" "$no_id"
    said_last '2 would be replayed'
    [[ $stderr == *"1 of 2 ids"*"$no_id"* && $stderr != *"$id"* ]]
    run -1 --separate-stderr dist-dlq list "$id" no-such-id
    [[ $output == *"$id"* || $output == *strict* ]]
    [[ $stderr == *no-such-id* ]]
    run -0 --separate-stderr dist-dlq replay --dry-run "$id" "$(deliveries "$id" | head -n 1)"
    [ -z "$stderr" ]
}

@test "an id in upper case, and that of the row, name what they name" {
    id=$(submit_dead --to strict <<<'{}')
    delivery=$(deliveries "$id")
    row=$(sql "select id from distribution_jobs where distribution_id = '$id'")
    run -0 --separate-stderr dist-dlq replay --dry-run "${delivery^^}" "$row"
    said_last '1 would be replayed'
    [ -z "$stderr" ]
}

@test "with --limit, ids behind it are not said to be missing" {
    id=$(submit_dead --to strict --to strict-too <<<'{}')
    mapfile -t ids < <(deliveries "$id")
    run -0 --separate-stderr dist-dlq replay --dry-run --limit 1 "${ids[@]}"
    said_last '1 would be replayed'
    [ -z "$stderr" ]
}

@test "many missing ids are counted, the first are named" {
    seq -f 'missing-%03g' 1 50 >"$BATS_TEST_TMPDIR/ids"
    run -1 --separate-stderr dist-dlq drop --dry-run - <"$BATS_TEST_TMPDIR/ids"
    said_last '0 would be dropped'
    [[ $stderr == *"50 of 50 ids"*missing-001*missing-002*"more"* && $stderr != *missing-020* ]] || fail "$stderr"
}

@test "show takes the id of a distribution, and shows all its dead letters" {
    id=$(submit_dead --to strict --to strict-too <<<'{"n": 1}')
    run -0 dist-dlq show "$id"
    [ "$(grep -c '^distribution  '"$id"'$' <<<"$output")" = 2 ]
    [[ $output == *'body          application/json, 9 bytes'* ]] || fail "$output"
    run -0 dist-dlq show --json "$id"
    [ "$(jq -r .delivery_id <<<"$output" | sort)" = "$(deliveries "$id" | sort)" ]
    first=$(deliveries "$id" | head -n 1)
    run -0 dist-dlq show --body "$first"
    [ "$output" = '{"n": 1}' ]
}

@test "show of an id that names no dead letter is refused, and nothing is shown" {
    id=$(submit_dead --to strict <<<'{}')
    run -65 --separate-stderr dist-dlq show "$id" "$no_id"
    [[ -z $output && $stderr == *"$no_id"* ]]
    run -65 --separate-stderr dist-dlq show no-such-id
    [[ $stderr == *no-such-id* ]]
}

@test "PostgreSQL and the file agree on which member of a group failed" {
    id=$(submit_dead --to both <<<'{}')
    run -0 dist-dlq list --json "$id"
    jq -e '.destination == "down-too" and .status_code == 503 and (.died_at | test("Z$"))' <<<"$output"
    run -0 dist-dlq show "$id"
    [[ $output == *"destination   down-too"* ]]
}

# --- ids on standard input ---

@test "lines of a list may have blanks around them, and ids too" {
    id=$(submit_dead --to strict <<<'{}')
    dist-dlq list --json "$id" | sed 's/^/ \t/; s/$/  /' >"$BATS_TEST_TMPDIR/ids"
    run -0 dist-dlq replay --dry-run - <"$BATS_TEST_TMPDIR/ids"
    said_last '1 would be replayed'
    printf ' \t%s \r\n\n' "$id" >"$BATS_TEST_TMPDIR/ids"
    run -0 dist-dlq replay --dry-run - <"$BATS_TEST_TMPDIR/ids"
    said_last '1 would be replayed'
}

@test "a line that can be no id is reported with its number, and the rest goes on" {
    id=$(submit_dead --to strict <<<'{}')
    for bad in '%s\0x' '\0%s' ' %s\0' '{"delivery_id": 1}' '{"delivery_id": "a b"}' '{"x": "%s"}' '[]' '"a b"' \
        "$(printf 'x%.0s' {1..101})" '%s and more'; do
        # shellcheck disable=SC2059 # the formats are the cases
        { echo "$id"; printf "$bad\n" "$id"; echo "$id"; } >"$BATS_TEST_TMPDIR/ids"
        run -1 --separate-stderr dist-dlq replay --dry-run - <"$BATS_TEST_TMPDIR/ids"
        said_last '1 would be replayed'
        [[ $stderr == *'stdin:2: '* ]] || fail "$bad: $stderr"
    done
    printf 'a b\n' >"$BATS_TEST_TMPDIR/ids"
    run -1 --separate-stderr dist-dlq drop --dry-run - <"$BATS_TEST_TMPDIR/ids" # nothing is named: not everything
    [[ ! $output ]]
}

@test "a list that cannot be written is a failure" {
    die --to strict <<<'{}'
    id=$(submit_dead --to strict <<<'{}')
    run -71 --separate-stderr bash -c "dist-dlq list --json -f '$dead' >/dev/full"
    [[ $stderr == *'No space left'* ]] || fail "$stderr"
    run -71 bash -c "dist-dlq list --json $id >/dev/full"
    run -71 bash -c "dist-dlq list $id >/dev/full"
}

# --- what goes to a terminal ---

@test "nothing in a dead letter steers a terminal" {
    dist-submit --pipe -t acme -T t --to fine <<<'{}' | dist-route | dist-transform |
        jq -c '.status = "dead" | .dead_reason = "rejected" | .error = "\u001b]0;x\u0007 \u009b31m\r" |
            .content_type = "text/plain"' >"$dead"
    run -0 dist-dlq show -f "$dead" "$(died .delivery_id)"
    harmless "$output"
    [[ $output == *'error         ?]0;x? ?31m?'* ]] || fail "$output"
    run -0 dist-dlq list -f "$dead"
    harmless "$output"
    jq -c '.body = "\u009b31m"' "$dead" >"$dead.c1"
    run -0 dist-dlq show -f "$dead.c1" "$(died .delivery_id)"
    harmless "$output"
    [[ $output == *'not text'* ]]
}

@test "nothing in a result line steers a terminal, and no destination is not (null)" {
    dist-submit --pipe -t acme -T t --to fine <<<'{}' | dist-route | dist-transform | dist-deliver |
        jq -c '.status = "dead" | .dead_reason = "unroutable" | .error = "\u001b[2J\u009b31m\n" | del(.destination)' \
            >"$BATS_TEST_TMPDIR/results"
    run -1 dist-status <"$BATS_TEST_TMPDIR/results"
    harmless "$output"
    [[ $output != *null* && $output == *' fine '*'?[2J?31m?'* ]] || fail "$output"
    [ "${#lines[@]}" = 3 ]
}

@test "nothing of a distribution in PostgreSQL steers a terminal" {
    id=$(submit_dead --to strict <<<'{}')
    sql "update distribution_jobs set error_message = E'\\u001b[2J\\u009b31m' where distribution_id = '$id'"
    sql "update distribution_deliveries d set last_error = E'\\u001b[2J\\u009b31m' from distribution_jobs j
         where j.id = d.job_id and j.distribution_id = '$id'"
    run -0 dist-status "$id"
    harmless "$output"
    [[ $output == *'error         ?[2J?31m'* && $output == *', 3 bytes'* ]] || fail "$output"
    run -0 dist-dlq show "$id"
    harmless "$output"
}
