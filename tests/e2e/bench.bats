#!/usr/bin/env bats
#
# scripts/bench, in its short form: what it prints, and that it counts. How fast it says dist is is no matter here.

bats_require_minimum_version 1.5.0
load lib/common

# bench ARGUMENT...: without what bats keeps open, since it starts servers
bench() {
    "$ROOT/scripts/bench" --build "$DIST_BUILD" "$@" 3>&- 4>&-
}

pace() {
    "$DIST_BUILD/tests/bench/pace" "$@"
}

# holds FILTER: of the JSON in $output
holds() {
    jq -e "$1" <<<"$output" >/dev/null || fail "not so: $1"$'\n'"$output"
}

@test "the short form loses nothing and tells all in one object" {
    run -0 --separate-stderr bench --count 500 --floor-seconds 1 --stage-count 300 --statements --json
    [[ ${#lines[@]} == 1 ]]
    # shellcheck disable=SC2154 # set by bats
    [[ $stderr == *'bench: ok: all 1250 reports arrived and are recorded; '* ]]
    holds '.ok and .submitted == 1250 and .completed == 1250 and .received_distinct == 1250'
    holds '.misordered == 0 and .left_in_redis == 0'
    holds '.steady.count == 500 and .full.count == 500 and .single.count == 50'
    holds '[.steady, .full, .single | .latency_ms | 0 < .p50, .p50 <= .p95, .p95 <= .p99, .p99 <= .max] | all'
    holds '[.steady, .full | .arrival_ms.p50 < .latency_ms.p50, .recorded_rate > 0, .cpu_us > 0] | all'
    holds '.full.cpu_seconds | keys == ["deliver","postgres","receiver","redis","route","submit","transform"]'
    holds '(.memory_kb | length == 7) and ([.memory_kb[] > 1000] | all)'
    holds '.floors | [.postgres_single, .postgres_batched, .redis_add, .redis_pass] | map(. > 0) | all'
    holds '(.floors.http == null) == (.ratios.http == null) and .ratios.postgres_batched > 0'
    holds '.stages | .count == 300 and (.body_bytes | 800 < . and . < 1200)'
    holds '.stages.routing | keys == ["prefixes_1000","rules_10","rules_1000","when_10"]'
    holds '.stages.transformation | keys == ["csv","from_csv","from_xml","identity","jq","json","xml"]'
    holds '[.stages | .routing[], .transformation[] | .us > 0, .per_core > 0, .wall > 0] | all'
    holds '(.statements | length == 10) and .statements[0].total_ms > 0'
}

@test "what does not arrive is an exit status of 1, and told" {
    run -1 bench --count 20 --floor-seconds 0 --stage-count 50 --path /status/400/refused
    [[ $output == *'  routing, rules_1000 '* && $output == *'  transformation, from_xml '* ]]
    [[ $output == *'  1000 rules, by 10 '* ]]
    [[ ${lines[-1]} == 'bench: NOT OK: of 62 reports 62 arrived and 0 are recorded, '* ]]
}

# Of an index 1000 rules cost what 10 cost; without one they would cost some five times as much, jq excepted.
@test "a thousand rules that name their customers cost little more than ten" {
    run -0 "$DIST_BUILD/tests/bench/stages" 1000
    holds '.rules_ratio < 2.5 and .routing.prefixes_1000.us > 2 * .routing.rules_10.us'
}

@test "wrong arguments are usage errors" {
    run -64 bench --count 0
    run -64 bench --rate 1.5
    run -64 bench --nonsense
    run -64 "$ROOT/scripts/bench-floors" --seconds 0
    run -69 "$ROOT/scripts/bench-floors" --dir "$BATS_TEST_TMPDIR/nothing"
    run -64 bench --stage-count x
    run -64 "$DIST_BUILD/tests/bench/stages"
    run -64 "$DIST_BUILD/tests/bench/stages" 0
    run -64 pace 0 </dev/null
    run -64 pace </dev/null
}

# bench_adapters ARGUMENT...: as bench
bench_adapters() {
    "$ROOT/scripts/bench-adapters" --build "$DIST_BUILD" "$@" 3>&- 4>&-
}

@test "each adapter delivers what it is measured by, or says why it is left out" {
    run -0 --separate-stderr bench_adapters --count 100 --json
    holds '.ok and .count == 100 and .body_bytes == 1024'
    [[ $(jq -c '.adapters | keys_unsorted' <<<"$output") == \
        "$("$ROOT/scripts/bench-adapters" --list | jq -Rc '[., inputs] | map(split(" ")[0])')" ]]
    holds '[.adapters[] | .skipped or (.delivered == 100 and .rate > 0 and .cpu_us > 0 and .seconds > 0)] | all'
    holds '[.adapters | .REST, .AMQP, .JDBC, .HDFS, .file, .exec, .null | .delivered == 100] | all'
    run -0 --separate-stderr bench_adapters --count 10 file null
    [[ ${#lines[@]} == 4 && ${lines[2]} =~ ^file\ .*\ 10$ ]]
    run -64 bench_adapters nonsense
    run -64 bench_adapters --count 0
}

@test "every protocol has its line in bench-adapters" {
    local listed
    listed=$("$ROOT/scripts/bench-adapters" --list | cut -d' ' -f1)
    run -64 --separate-stderr dist-admin destination new no-protocol # the text lists them
    [[ $(sort <<<"$listed") == "$(sed -E 's/^dist-admin: //; s/ is wanted.*//; s/,| or / /g' <<<"$stderr" | xargs -n 1 | sort)" ]]
}

@test "pace hands on every line, and not before its time" {
    local before=$EPOCHREALTIME after
    run -0 --separate-stderr pace 1000 < <(seq 300)
    after=$EPOCHREALTIME
    [[ $output == "$(seq 300)" ]]
    [[ $stderr == 'lines=300 seconds='*' late_ms='* ]]
    ((${after/./} - ${before/./} >= 300000))
}
