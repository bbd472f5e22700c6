#!/usr/bin/env bats
#
# scripts/fuzz: what it says and remembers of its targets, which are stood in for here; scripts/check runs the real
# ones

# shellcheck disable=SC2154 # output, lines: of bats
bats_require_minimum_version 1.5.0
load lib/common

setup() {
    cd "$ROOT" || return
    built=$BATS_TEST_TMPDIR/built
    mkdir -p "$built/tests/fuzz"
}

fuzz() {
    scripts/fuzz --build "$built" "$@"
}

# stand_in TARGET SCRIPT: a program in place of the target
stand_in() {
    printf '#!/bin/bash\n%s\n' "$2" >"$built/tests/fuzz/fuzz_$1"
    chmod +x "$built/tests/fuzz/fuzz_$1"
}

quiet='cat <<LOG
INFO: Loaded 1 PC tables (3887 PCs): 3887 [0x1,0x2),
#12	DONE   cov: 741 ft: 2000 corp: 34/2Kb lim: 4096 exec/s: 0 rss: 30Mb
stat::number_of_executed_units: 16905
stat::average_exec_per_sec:     8452
stat::slowest_unit_time_sec:    0
LOG'

@test "each target has a corpus of small files, and words that are well-formed" {
    local target size
    run -0 scripts/fuzz --list
    ((${#lines[@]} == $(find tests/fuzz -name 'fuzz_*.c' | wc -l)))
    while read -r target _; do
        [[ $(find "tests/fuzz/corpus/$target" -type f | wc -l) -ge 4 ]] || fail "no corpus of $target"
        [[ ! $(find "tests/fuzz/corpus/$target" -type f -size +4k) ]] || fail "a large file in the corpus of $target"
        grep -qvE '^"([^"\\]|\\["\\]|\\x[0-9a-f]{2})+"$' "tests/fuzz/words/$target" && fail "words of $target"
        grep -q '[^ -~]' "tests/fuzz/words/$target" && fail "words of $target"
    done <<<"$output"
    size=$(cat tests/fuzz/corpus/*/* | wc -c)
    ((size < 64 * 1024)) || fail "the corpora have $size bytes"
}

@test "a line for each target, with its figures, and the sum" {
    stand_in csv "$quiet"
    stand_in xml "$quiet"
    run -0 fuzz --seconds 7 --jobs 2 csv xml
    [[ $(sort <<<"$output") == *'csv              16905     8452 /s    741 of  3887 edges     34 inputs  ok'* ]]
    [[ $output == *'xml              16905 '* && ${lines[-1]} == '2 passed, 0 failed' ]]
}

@test "a target is given its time, its corpus and its words; none means the corpus alone" {
    stand_in csv 'echo "$@"'
    run -0 fuzz --seconds 7 csv
    [[ $(<"$built/csv.log") == *' -max_total_time=7 '*' -dict=tests/fuzz/words/csv '*"/corpus/csv tests/fuzz/corpus/csv" ]]
    run -0 fuzz --seconds 0 csv
    [[ $(<"$built/csv.log") == *' -runs=0 '* ]]
}

@test "a finding is told with its input, and the others are run all the same" {
    stand_in csv "$quiet"$'\n'"echo 'parts.c:1: does not hold: 1 == 2'; echo 'SUMMARY: libFuzzer: deadly signal'; exit 77"
    stand_in xml "$quiet"
    run -1 fuzz csv xml
    [[ ${lines[0]} == 'csv '*FOUND ]]
    [[ $output == *'does not hold: 1 == 2'* && $output == *'SUMMARY: libFuzzer'* ]]
    [[ $output == *$'\n''xml '* && ${lines[-1]} == '1 passed, 1 failed' ]]
}

@test "what was found once is tried first, until it is no finding any more" {
    stand_in csv '[[ $* != */findings/csv/crash-1 ]] || { echo "SUMMARY: again"; exit 1; }'
    mkdir -p "$built/findings/csv"
    touch "$built/findings/csv/crash-1"
    run -1 fuzz csv
    [[ $output == *'SUMMARY: again'* ]]
    stand_in csv 'echo "$@"'
    run -0 fuzz csv
    [[ $(<"$built/csv.log") == *-max_total_time=60* ]]
}

@test "wrong arguments are usage errors; without a build there is nothing to run" {
    run -64 fuzz --seconds x
    run -64 fuzz --jobs 0
    run -64 fuzz nonsense
    run -64 fuzz --nonsense
    run -69 fuzz csv
    run -0 fuzz -h
    [[ $output == *Usage:* ]]
}
