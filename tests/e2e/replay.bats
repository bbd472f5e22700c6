#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# The way back of dead letters: which ones, batches, rates, canaries, other bodies, other destinations

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up
    tenant acme zeta
    rest_destination strict /in/strict/status/422
    rest_destination down /in/down/status/503 '{"retry_policy": "none"}'
    rest_destination fine /in/fine
    rest_destination held /in/held '{"disabled": true}'
    destination both '{"group": ["down", "fine"]}'
    services_start
}

teardown_file() {
    services_stop
    sandbox_down
}

setup() {
    dead=$BATS_TEST_TMPDIR/dead
    type=t$BATS_TEST_NUMBER
}

# submit_dead NUMBER ARGUMENT...: so many of this test's type (or of $kind) to the services, until all have ended;
# their ids
submit_dead() {
    local ids
    mapfile -t ids < <(seq 1 "$1" | jq -c '{n: .}' |
        dist-submit --ndjson --tenant acme --type "${kind:-$type}" "${@:2}")
    dist-status --wait --timeout 60s "${ids[@]}" >/dev/null || true
    printf '%s\n' "${ids[@]}"
}

# letters: the dead ones of this test, one id per line
letters() {
    dist-dlq list --json -T "$type" | jq -r .delivery_id
}

# state_of DELIVERY
state_of() {
    sql "select status from distribution_deliveries where id = '$1'"
}

# counted STATUS: deliveries of this test in this status
counted() {
    sql "select count(*) from distribution_deliveries d join distribution_jobs j on j.id = d.job_id
         where j.data_type = '$type' and d.status = '$1'"
}

# counters_hold: every distribution's counters are what its deliveries say
counters_hold() {
    [ "$(sql "select count(*) from distribution_jobs j where total_deliveries <> (select count(*)
        from distribution_deliveries d where d.job_id = j.id and kind = 'target') or dead_deliveries <> (select count(*)
        from distribution_deliveries d where d.job_id = j.id and kind = 'target' and d.status = 'dead')")" = 0 ]
}

batch_id() {
    grep -oE '[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}$' <<<"$output"
}

# --- which ones ---

# chosen FILTER...: how many letters each action chooses, "LIST EXPORT REPLAY DROP"
chosen() {
    echo "$(dist-dlq list --json "$@" | wc -l) $(dist-dlq export "$@" | wc -l)" \
        "$(dist-dlq replay -n --json "$@" | jq .selected) $(dist-dlq drop -n --json "$@" | jq .selected)"
}

@test "every filter chooses the same for list, export, replay and drop" {
    submit_dead 1 --to strict
    between=$(date -u +%FT%T.%3NZ)
    kind=other-$type submit_dead 2 --to down
    id=$(dist-submit --tenant zeta --type "$type" --to strict <<<'{}')
    run -1 dist-status --wait --timeout 20s "$id"
    [ "$(chosen --tenant zeta)" = '1 1 1 1' ]
    [ "$(chosen -T "$type" --tenant acme)" = '1 1 1 1' ]
    [ "$(chosen --type "other-$type")" = '2 2 2 2' ]
    [ "$(chosen --destination down)" = '2 2 2 2' ]
    [ "$(chosen --reason exhausted)" = '2 2 2 2' ]
    [ "$(chosen --reason rejected --type "$type")" = '2 2 2 2' ]
    [ "$(chosen --error 'UNPROCESSABLE' --tenant acme)" = '1 1 1 1' ]
    [ "$(chosen --since "$between" --tenant acme)" = '2 2 2 2' ]
    [ "$(chosen --until "$between" --type "$type")" = '1 1 1 1' ]
    [ "$(chosen --reason exhausted --limit 1)" = '1 1 1 1' ]
    [ "$(chosen --reason poison)" = '0 0 0 0' ]
}

@test "a file takes the filters, and refuses by name what works on the store" {
    submit_dead 2 --to strict
    submit_dead 1 --to down
    dist-dlq export -T "$type" >"$dead"
    for filter in '-t acme' "-T $type" '--error http' '--limit 3'; do
        # shellcheck disable=SC2086 # words
        [ "$(dist-dlq export -f "$dead" $filter | wc -l)" = 3 ] || fail "$filter"
    done
    run -0 dist-dlq export -f "$dead" -d down
    [ "$output" = "$(grep '"target":"down"' "$dead")" ]
    run -0 dist-dlq replay -f "$dead" --reason rejected -n
    [[ ${lines[0]} == DESTINATION*REASON*LETTERS && ${lines[1]} == strict*rejected*2 ]] || fail "$output"
    for option in '--rate 1/s' '--canary 1' '--max-replays 1' '--why x' '--edited x' --yes --json '--since 1d' \
        '--until 1d'; do
        # shellcheck disable=SC2086 # words
        run -64 --separate-stderr dist-dlq replay -f "$dead" --all $option
        [[ $stderr == *"${option%% *} works on the store, not on a file"* ]] || fail "$option: $stderr"
    done
    run -64 dist-dlq drop -f "$dead" --all
    run -64 dist-dlq batches -f "$dead"
}

@test "what was exported is a file of dead letters: listed, and sent by a pipe" {
    submit_dead 2 --to strict
    dist-dlq export -T "$type" >"$dead"
    [ "$(dist-dlq list -f "$dead" --json | jq -r .delivery_id | sort)" = "$(letters | sort)" ]
    run -0 --separate-stderr bash -c "dist-dlq replay -f '$dead' --all --to fine | dist-transform | dist-deliver"
    [ "$(jq -r '.status + " " + .target + " " + .destination' <<<"$output" | sort -u)" = 'delivered strict fine' ]
    run -65 --separate-stderr dist-dlq replay -f "$dead" --all --to fyne
    [[ $stderr == *"did you mean 'fine'"* ]]
    [ "$(counted dead)" = 2 ] # the store knows nothing of it
}

@test "an option that means nothing with an action is refused by its name" {
    for call in 'list --yes' 'list --rate 1/s' 'drop --why x --all' 'drop --to x --all' 'show --canary 1 x' \
        'batches -t x' 'export --json' 'list --all' 'replay --timeout 1s --all' 'replay -n -y --all' \
        'replay --edited x' 'replay --edited x --all' 'replay --edited x --rate 1/s id' 'replay --rate 1 --all' \
        'replay --rate 0/s --all' 'replay --rate 1/d --all' 'replay --rate x --all'; do
        # shellcheck disable=SC2086 # words
        run -64 --separate-stderr dist-dlq $call
        [[ ! $output && $stderr ]] || fail "$call: $output"
    done
}

# --- more than one ---

@test "more than one is only counted, by destination and reason, until --yes is said" {
    submit_dead 3 --to strict
    submit_dead 1 --to down
    run -0 --separate-stderr dist-dlq replay -T "$type"
    [ "$output" = "DESTINATION  REASON     LETTERS
down         exhausted  1
strict       rejected   3
4 would be replayed" ]
    [[ $stderr == *'--yes'* ]]
    run -0 --separate-stderr dist-dlq drop -T "$type"
    [[ $output == *'4 would be dropped' && $stderr == *'--yes'* ]]
    [ "$(counted dead)" = 4 ]
    run -0 --separate-stderr dist-dlq replay -T "$type" -d down # one
    [[ $output == '1 replayed, batch '* && ! $stderr ]]
    run -0 --separate-stderr dist-dlq drop -T "$type" -d strict --yes
    [ "$output" = '3 dropped' ]
    [ "$(counted cancelled)" = 3 ] # kept as rows
}

@test "a list, a program that chooses, a replay" {
    submit_dead 4 --to strict
    letters=$(letters | head -n 1)
    run -0 bash -c "dist-dlq list --json -T $type | jq -c 'select(.size == 7)' |
        dist-dlq replay --to fine --yes -"
    [[ $output == '4 replayed, batch '* ]]
    wait_until 20 is 4 counted delivered
    counters_hold
    [ "$(state_of "$letters")" = delivered ]
}

@test "of lines that are ids, strings, objects and nothing at all, the good ones are replayed, and 1 says so" {
    submit_dead 3 --to strict
    mapfile -t ids < <(letters)
    printf '%s\n"%s"\nno id\n{"delivery_id": "%s"}\n' "${ids[@]}" >"$BATS_TEST_TMPDIR/ids"
    run -1 --separate-stderr dist-dlq replay --to fine --yes - <"$BATS_TEST_TMPDIR/ids"
    [[ $output == '3 replayed, batch '* && $stderr == *'stdin:3: '* ]]
    wait_until 20 is 3 counted delivered
}

# --- the batch ---

@test "a batch says who, when, why and what, and how its letters are" {
    submit_dead 2 --to strict
    USER=nobody LOGNAME=nobody run -0 dist-dlq replay -T "$type" --to fine --yes --why 'the hook is mended' --json
    jq -e '.state == "replayed" and .selected == 2 and .replayed == 2 and .refused == 0 and .to == "fine" and
        (.dry_run | not) and .counts == [{destination: "strict", reason: "rejected", letters: 2}]' <<<"$output"
    batch=$(jq -r .batch_id <<<"$output")
    [[ $batch == ????????-????-7* ]]
    wait_until 20 is 2 counted delivered
    run -0 dist-dlq batches --json "$batch"
    jq -e --arg type "$type" --arg who "$(id -un)@$(hostname)" '.who == $who and .why == "the hook is mended" and
        .filter == {type: $type} and .deliveries.delivered == 2 and .state == "replayed" and
        (.created_at | test("Z$")) and (.ended_at | test("Z$"))' <<<"$output" || fail "$output"
    run -0 dist-dlq batches "$batch"
    [[ $output == *"why "*"the hook is mended"* && $output == *'2 delivered, 0 open'* ]] || fail "$output"
    run -0 dist-dlq batches
    [[ ${lines[0]} == BATCH*WHO*STATE* && $output == *"$batch"*' replayed '*'2/2'* ]] || fail "$output"
    run -65 --separate-stderr dist-dlq batches "${batch%?}x"
    [[ ! $output && $stderr == *'there is no batch'* ]]
}

@test "a letter names its last batch and the number of its replays" {
    submit_dead 1 --to strict
    run -0 dist-dlq replay -T "$type"
    batch=$(batch_id)
    wait_until 20 is 1 counted dead
    run -0 dist-dlq list --json -T "$type"
    jq -e --arg batch "$batch" '.replays == 1 and .batch_id == $batch and .replay_of == null' <<<"$output"
    run -0 dist-dlq show "$(letters)"
    [[ $output == *"replays       1, the last one in batch $batch"* ]] || fail "$output"
}

@test "what was replayed too often is named and stays dead, and the others go" {
    submit_dead 1 --to strict
    worn=$(letters)
    run -0 dist-dlq replay "$worn" --max-replays 1
    wait_until 20 is 1 counted dead
    submit_dead 1 --to strict
    run -1 --separate-stderr dist-dlq replay -T "$type" --max-replays 1 --to fine
    [[ $output == '1 replayed, batch '* && $stderr == *"$worn"* && $stderr == *--max-replays* ]] || fail "$stderr"
    [ "$(state_of "$worn")" = dead ]
    run -1 --separate-stderr dist-dlq replay "$worn" --max-replays 1
    [ "$output" = '0 replayed' ]
}

@test "a rate is kept by PostgreSQL: the command ends at once, and the letters go one by one" {
    submit_dead 4 --to strict
    run -0 dist-dlq replay -T "$type" --to fine --rate 1/s -n
    [[ ${lines[-1]} == '4 would be replayed, over 3s' ]] || fail "$output"
    began=$(date +%s%3N)
    run -0 dist-dlq replay -T "$type" --to fine --rate 1/s --yes
    (($(date +%s%3N) - began < 3000)) || fail 'the command waited for its rate'
    [[ $output == '4 replayed over 3s, batch '* ]] || fail "$output"
    [ "$(sql "select string_agg(round(extract(epoch from d.replayed_at - b.started_at))::text, ' ' order by replayed_at)
              from distribution_deliveries d join replay_batches b on b.id = d.replay_batch
              where b.id = '$(batch_id)'")" = '0 1 2 3' ]
    wait_until 20 is 4 counted delivered
    [ "$(sql "select count(*) from distribution_deliveries where replay_batch = '$(batch_id)'
              and delivered_at < replayed_at")" = 0 ]
    submit_dead 2 --to strict
    run -64 --separate-stderr dist-dlq replay -T "$type" --rate 1/h --canary 1 --yes --limit 2 --why "$(printf '%01001d' 0)"
    [[ $stderr == *--why* ]]
}

@test "a spread of months is refused" {
    submit_dead 1 --to strict
    sql "insert into distribution_jobs (tenant_id, distribution_id, data_type, payload, destinations, body,
            content_type, body_size, request_hash)
         select 'acme', 'm-' || n, '$type', '{}', '[]', '', 'text/plain', 0, repeat('0', 64) from generate_series(1, 800) n;
         insert into distribution_deliveries (id, job_id, tenant_id, priority, target, candidates, status, dead_reason)
         select dist_uuid(), id, 'acme', 'normal', 'strict', '[\"strict\"]', 'dead', 'exhausted' from distribution_jobs
         where distribution_id like 'm-%'"
    run -64 --separate-stderr dist-dlq replay -T "$type" --rate 1/h --yes
    [[ $stderr == *'more than 30 days'* ]] || fail "$stderr"
    [ "$(letters | wc -l)" = 801 ] # a list leaves nothing out, whatever its pages are
    [ "$(dist-dlq list -T "$type" | wc -l)" = 802 ]
    run -0 dist-dlq drop -T "$type" --yes
    [ "$output" = '801 dropped' ]
    [ "$(counted cancelled)" = 801 ]
}

# --- the canary ---

@test "a canary that arrives lets the rest go" {
    submit_dead 4 --to strict
    run -0 dist-dlq replay -T "$type" --to fine --canary 2 --yes
    [[ $output == '4 replayed, batch '* ]]
    wait_until 20 is 4 counted delivered
    run -0 dist-dlq batches --json "$(batch_id)"
    jq -e '.state == "replayed" and .canary == 2' <<<"$output"
}

@test "a canary that dies leaves the rest dead, and 1 says so" {
    submit_dead 4 --to strict
    run -1 --separate-stderr dist-dlq replay -T "$type" --canary 1 --yes
    [[ $output == '1 replayed, batch '* && $stderr == *'the canary: 1 of 1 failed'*422*'the other 3 stay dead'* ]] ||
        fail "$output; $stderr"
    [ "$(sql "select string_agg(replays::text, '' order by replays) from distribution_deliveries d join
              distribution_jobs j on j.id = d.job_id where j.data_type = '$type' and d.status = 'dead'")" = 0001 ]
    run -0 dist-dlq batches --json "$(batch_id)"
    jq -e '.state == "stopped" and (.error | test("422")) and .replayed == 1' <<<"$output"
}

@test "a canary that does not arrive in time leaves the rest dead" {
    submit_dead 3 --to strict
    run -1 --separate-stderr dist-dlq replay -T "$type" --to held --canary 1 --timeout 700ms --yes
    [[ $stderr == *'1 of 1 have not arrived in 700ms'* ]] || fail "$stderr"
    [ "$(counted dead)" = 2 ]
    [ "$(counted waiting)$(counted queued)" = 10 ] || [ "$(counted waiting)$(counted queued)" = 01 ]
}

@test "a replay that is killed behind its canary leaves the rest dead, and another one takes it" {
    submit_dead 3 --to strict
    dist-dlq replay -T "$type" --to held --canary 1 --yes >/dev/null 2>&1 3>&- 4>&- &
    wait_until 10 is 2 counted dead
    kill -9 $!
    wait $! || true
    [ "$(sql "select state from replay_batches order by created_at desc limit 1")" = canary ]
    run -0 dist-dlq replay -T "$type" --to fine --yes
    [[ $output == '2 replayed, batch '* ]]
    wait_until 20 is 2 counted delivered
}

# --- two at once ---

@test "two operators at once replay each letter once" {
    submit_dead 40 --to strict
    dist-dlq replay -T "$type" --to fine --yes >"$BATS_TEST_TMPDIR/one" 3>&- 4>&- &
    run -0 dist-dlq replay -T "$type" --to fine --yes
    wait $!
    first=$(grep -oE '^[0-9]+' "$BATS_TEST_TMPDIR/one")
    second=$(grep -oE '^[0-9]+' <<<"$output")
    [ $((first + second)) = 40 ]
    wait_until 30 is 40 counted delivered
    [ "$(sql "select max(replays) from distribution_deliveries d join distribution_jobs j on j.id = d.job_id
              where j.data_type = '$type'")" = 1 ]
    counters_hold
}

# --- elsewhere ---

@test "a letter goes to another destination, and its distribution is complete" {
    id=$(submit_dead 1 --to strict)
    delivery=$(letters)
    redis DEL 'dist:{0}:holds' >/dev/null # else the first member is passed over
    run -0 dist-dlq replay "$delivery" --to both
    run -0 dist-status --wait --timeout 20s --json "$id"
    jq -e '.status == "completed" and .destinations[0].name == "strict" and .destinations[0].destination == "fine"' \
        <<<"$output" || fail "$output"
    run -0 dist-status "$id"
    [[ $output == *'fine '*'delivered'* ]]
    [ "$(sql "select string_agg(destination_name, ' ' order by attempt_number) from distribution_attempts
              where delivery_id = '$delivery'")" = 'strict down fine' ]
    counters_hold
}

@test "a destination that nobody knows takes nothing" {
    submit_dead 1 --to strict
    run -65 --separate-stderr dist-dlq replay -T "$type" --to fyne
    [[ $stderr == *"did you mean 'fine'"* ]]
    [ "$(counted dead)" = 1 ]
}

# --- with another body ---

@test "an edited body is a distribution of its own, and the letter says which" {
    submit_dead 1 --to strict --meta k=v
    delivery=$(letters)
    dist-dlq show --body "$delivery" | jq -c '.mended = true' >"$BATS_TEST_TMPDIR/body"
    run -0 dist-dlq replay --edited "$BATS_TEST_TMPDIR/body" --to fine --why 'a typing error' --json "$delivery"
    id=$(jq -r .distribution_id <<<"$output")
    [ "$(jq -r .replay_of <<<"$output")" = "$delivery" ]
    run -0 dist-status --wait --timeout 20s --json "$id"
    jq -e --arg of "$delivery" '.replay_of == $of and .status == "completed"' <<<"$output" || fail "$output"
    run -0 dist-status "$id"
    [[ $output == *"replay of     $delivery"* ]]
    receiver_requests /in/fine | grep -q "$(sha256sum "$BATS_TEST_TMPDIR/body" | cut -c -64)"
    [ "$(sql "select d.status || ' ' || d.last_error from distribution_deliveries d where d.id = '$delivery'")" = \
        "cancelled replayed as $id" ]
    [ "$(sql "select metadata->>'k' from distribution_jobs where distribution_id = '$id'")" = v ]
    run -65 --separate-stderr dist-dlq replay --edited "$BATS_TEST_TMPDIR/body" --to fine "$delivery"
    [[ $stderr == *"not dead: it was replayed as $id"* ]] || fail "$stderr"
    [ "$(sql "select count(*) from distribution_jobs where replay_of = '$delivery'")" = 1 ]
    old=$(sql "select distribution_id from distribution_jobs j join distribution_deliveries d on d.job_id = j.id
               where d.id = '$delivery'")
    run -0 dist-status --json "$old"
    jq -e --arg id "$id" '.destinations[0].replayed_as == $id' <<<"$output"
    run -0 dist-dlq batches --json --limit 1
    jq -e --arg id "$id" '.edited and .replayed_as == $id and .why == "a typing error"' <<<"$output"
    counters_hold
}

@test "an edited replay that dies again knows where it comes from" {
    submit_dead 1 --to strict
    delivery=$(letters)
    run -0 dist-dlq replay --edited - "$delivery" <<<'{"again": 1}'
    [[ $output == '1 replayed as '*', batch '* ]]
    wait_until 20 is 1 counted dead
    again=$(letters)
    [ "$again" != "$delivery" ]
    run -0 dist-dlq list --json "$again"
    [ "$(jq -r .replay_of <<<"$output")" = "$delivery" ]
    run -0 dist-dlq show "$again"
    [[ $output == *"replay of     $delivery"*'{"again": 1}'* ]]
    run -0 dist-dlq show --json "$again"
    [ "$(jq -r .replay_of <<<"$output")" = "$delivery" ]
    dist-dlq export "$again" >"$dead"
    [ "$(dist-dlq list -f "$dead" --json | jq -r .replay_of)" = "$delivery" ]
}

@test "an edited body that is no JSON, too large or for nobody changes nothing" {
    submit_dead 1 --to strict
    delivery=$(letters)
    run -65 --separate-stderr dist-dlq replay --edited - "$delivery" <<<'{"no": '
    [[ $stderr == *'the edited body'* ]] || fail "$stderr"
    DIST_MAX_PAYLOAD=10 run -65 dist-dlq replay --edited - "$delivery" <<<'{"more than": "10 bytes"}'
    run -65 dist-dlq replay --edited - --to fyne "$delivery" <<<'{}'
    run -65 dist-dlq replay --edited "$BATS_TEST_TMPDIR/nowhere" "$delivery"
    [ "$(state_of "$delivery")" = dead ]
    run -65 --separate-stderr dist-dlq replay --edited - 018c0000-0000-7000-8000-000000000000 <<<'{}'
    [ "$(sql "select count(*) from distribution_jobs where replay_of = '$delivery'")" = 0 ]
}

# on_terminal COMMAND: in a terminal of its own
on_terminal() {
    script -qec "$1" /dev/null </dev/null
}

@test "an editor opens on a terminal, and what it leaves is sent; what is refused is kept" {
    submit_dead 1 --to strict
    delivery=$(letters)
    run -64 --separate-stderr dist-dlq replay --edit "$delivery" </dev/null
    [[ $stderr == *'needs a terminal'* ]]
    export TMPDIR=$BATS_TEST_TMPDIR/tmp
    mkdir "$TMPDIR"
    VISUAL=true run -1 on_terminal "dist-dlq replay --edit $delivery"
    [[ $output == *'as it was'* ]] || fail "$output"
    VISUAL=false run -65 on_terminal "dist-dlq replay --edit $delivery"
    [[ $output == *'the editor failed'* && ! $(ls "$TMPDIR") ]] || fail "$output"
    VISUAL='' EDITOR='sed -i s/1/[/' run -65 on_terminal "dist-dlq replay --edit $delivery"
    [[ $output == *"what was edited is in $TMPDIR/dist-dlq-"* ]] || fail "$output"
    [ "$(cat "$TMPDIR"/dist-dlq-*)" = '{"n":[}' ]
    [ "$(stat -c %a "$TMPDIR"/dist-dlq-*)" = 600 ]
    rm "$TMPDIR"/dist-dlq-*
    [ "$(state_of "$delivery")" = dead ]
    EDITOR='sed -i s/1/17/' VISUAL='' run -0 on_terminal "dist-dlq replay --edit --to fine $delivery"
    [[ $output == *'1 replayed as '* && ! $(ls "$TMPDIR") ]] || fail "$output"
    [ "$(sql "select convert_from(body, 'UTF8') from distribution_jobs where replay_of = '$delivery'")" = '{"n":17}' ]
}
