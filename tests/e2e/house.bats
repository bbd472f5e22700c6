#!/usr/bin/env bats
#
# What every tool has alike, and that pages, completion and installation follow from the tools.

# shellcheck disable=SC2154 # tools: of lib/common
bats_require_minimum_version 1.5.0
load lib/common

setup() {
    cd "$ROOT" || return
    config_folder
}

# Blanks and newlines to one blank each.
one_line() {
    tr -s ' \n\t' ' ' | sed 's/^ //; s/ $//'
}

# rendered PAGE: without overstriking, with no line broken
rendered() {
    mandoc -T ascii -O width=1000 "$1" | sed 's/.\x08//g'
}

# section NAME: of a rendered page on stdin
section() {
    awk -v name="$1" '/^[A-Z]/ { in_it = ($0 == name); next } in_it'
}

# The options that a tool's table has, in the order of the alphabet; those that every tool has are left out.
table_options() {
    "$1" --completion | grep '^-' | cut -f1 | grep -vxE -- '-h|--help|--version' | LC_ALL=C sort
}

# The same of what the page's lists describe: "Fl t", "Fl -to", "Fl Fl to".
page_options() {
    grep '^\.It .*Fl ' "$1" | sed 's/Fl Fl /Fl -/g' | grep -oE 'Fl [^ ]+' | sed 's/^Fl /-/' |
        grep -vxE -- '-h|--help|--version' | LC_ALL=C sort -u
}

# make, for the build that is tested
make_this() {
    local variant=${DIST_BUILD##*/} flags=()
    [[ $variant != *coverage ]] || flags+=(COVERAGE=1)
    [[ $variant != *undefined* ]] || flags+=('SANITIZE=address,undefined')
    make -s "${flags[@]}" variant="$variant" "$@"
}

@test "the list of tools in these tests is that of cmd/" {
    local tool
    for tool in cmd/dist-*.c; do
        tool=$(basename "$tool" .c)
        [[ " ${tools[*]} " == *" $tool "* ]] || fail "$tool is not in common.bash"
    done
    for tool in "${tools[@]}"; do
        [[ -f cmd/$tool.c ]] || fail "there is no cmd/$tool.c"
    done
}

@test "every tool answers -h, --help, --version and --completion on stdout with exit code 0, and says nothing else" {
    local tool option
    for tool in "${tools[@]}"; do
        for option in -h --help --version --completion; do
            run -0 --separate-stderr "$tool" "$option"
            [[ $output && ! $stderr ]] || fail "$tool $option: '$output' '$stderr'"
        done
        run -0 "$tool" -h
        [[ $output == "usage: $tool"* ]] || fail "$output"
        run -0 "$tool" --version
        [[ $output =~ ^$tool\ \(dist\)\ [0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "$output"
    done
}

@test "--help describes every option of the table" {
    local tool option
    for tool in "${tools[@]}"; do
        run -0 "$tool" --help
        for option in $(table_options "$tool") -h --help --version; do
            grep -qE -- "^ .*(^|[ ,])$option( |,|$)" <<<"$output" || fail "$tool --help lacks $option"
        done
    done
}

@test "a help that cannot be written is a failure" {
    local tool
    for tool in "${tools[@]}"; do
        run -71 bash -c "$tool --help >/dev/full"
    done
}

@test "an unknown option is exit code 64, names the nearest one and prints nothing on stdout" {
    local tool option
    for tool in "${tools[@]}"; do
        option=$("$tool" --completion | cut -f1 | grep '^--...' | awk '{ print length($0), $0 }' | sort -rn |
            sed -n '1s/^[0-9]* //p')
        run -64 --separate-stderr "$tool" "${option:0:4}${option:5}"
        [[ ! $output && $stderr == *"did you mean '$option'?"* ]] || fail "$tool: $stderr"
        run -64 --separate-stderr "$tool" -Z
        [[ ! $output && $stderr == "$tool: unknown option '-Z'"* ]] || fail "$tool: $stderr"
    done
}

@test "every tool has a page of section 1 and is called by a test" {
    local tool
    for tool in "${tools[@]}"; do
        [[ -f man/$tool.1 ]] || fail "man/$tool.1 is missing"
        grep -qE "(^|[ (|])$tool( |$)" tests/e2e/*.bats tests/e2e/lib/*.bash || fail "no test calls $tool"
    done
}

@test "-h is the SYNOPSIS of the page" {
    local tool help synopsis
    for tool in "${tools[@]}"; do
        help=$("$tool" -h | sed 's/^usage: //' | one_line)
        synopsis=$(rendered "man/$tool.1" | section SYNOPSIS | one_line)
        [[ $help == "$synopsis" ]] || fail "$tool -h:   $help"$'\n'"SYNOPSIS:  $synopsis"
    done
}

@test "every option of a table is in its page, and every option of the page is in the table" {
    local tool
    for tool in "${tools[@]}"; do
        diff <(table_options "$tool") <(page_options "man/$tool.1") || fail "$tool: < the table, > the page"
    done
}

@test "every page of a tool has the sections that people look for" {
    local tool name
    for tool in "${tools[@]}"; do
        for name in NAME SYNOPSIS DESCRIPTION ENVIRONMENT 'EXIT STATUS' EXAMPLES 'SEE ALSO'; do
            rendered "man/$tool.1" | grep -qx "$name" || fail "man/$tool.1 has no $name"
        done
    done
}

@test "mandoc has no objection to any page" {
    run mandoc -T lint -W warning man/*.[1-8]
    ((status == 0)) || fail "$output"
}

@test "dist(7) names every tool" {
    local tool
    for tool in "${tools[@]}"; do
        rendered man/dist.7 | grep -q "$tool(1)" || fail "dist(7) does not name $tool"
    done
}

@test "every setting is in dist.conf(5), and every setting of the page exists" {
    local settings names name
    settings=$(dist-admin config --json | jq -r .setting)
    [[ $(wc -l <<<"$settings") -gt 10 ]]
    for name in $settings; do
        grep -qE "^\.It .*\b$name\b" man/dist.conf.5 || fail "dist.conf(5) lacks $name"
    done
    names=$(grep '^\.It ' man/dist.conf.5 | grep -oE '\b(DB|REDIS|DIST)_[A-Z_]+' | sort -u)
    for name in $names; do
        [[ $name == DIST_CONFIG_DIR ]] || grep -qx -e "$name" -e "${name%_FILE}" <<<"$settings" || fail "there is no setting $name"
    done
}

@test "every tool is completed" {
    local tool
    for tool in "${tools[@]}"; do
        grep -q "^complete .*[ ]$tool\( \|$\)" completions/dist.bash || fail "$tool is not completed"
    done
}

# complete_line WORD...: what is offered for the last word
complete_line() {
    bash -c 'source completions/dist.bash
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _dist "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf "%s\n" "${COMPREPLY[@]}"' completion "$@"
}

@test "the completion offers options, the words of an option, subcommands and file names" {
    run -0 complete_line dist-submit --prio
    [[ $output == --priority ]]
    run -0 complete_line dist-submit --priority ''
    [[ $output == $'high\nnormal\nlow' ]]
    run -0 complete_line dist-submit --priority = l
    [[ $output == low ]]
    run -0 complete_line dist-dlq ''
    [[ $output == $'list\nshow\nexport\nreplay\ndrop\nbatches' ]]
    run -0 complete_line dist-deliver --dead-letters Makef
    [[ $output == Makefile ]]
    run -0 complete_line dist-submit Makef
    [[ $output == Makefile ]]
    run -0 complete_line dist-submit -- --
    [[ ! $output ]]
    run -0 complete_line dist-submit --to Makef
    [[ ! $output ]]
}

@test "make install puts everything below DESTDIR, and make uninstall leaves nothing but folders" {
    local to=$BATS_TEST_TMPDIR/root tool page
    make_this install DESTDIR="$to" PREFIX=/opt/dist
    for tool in "${tools[@]}"; do
        run -0 "$to/opt/dist/bin/$tool" --version
        [[ -f $to/opt/dist/share/bash-completion/completions/$tool ]]
    done
    for page in man/*; do
        [[ -f $to/opt/dist/share/man/man${page##*.}/${page#man/} ]] || fail "$page is not installed"
    done
    for page in systemd/*; do
        [[ -f $to/opt/dist/lib/systemd/system/${page#systemd/} ]] || fail "$page is not installed"
    done
    [[ -d $to/etc/dist/destinations.d ]]
    run ! grep -rh '^ExecStart=/usr/local' "$to"
    [[ $(cat "$to"/opt/dist/lib/systemd/system/*.service | grep -c '^ExecStart=/opt/dist/bin/dist-') == 4 ]]
    make_this uninstall DESTDIR="$to" PREFIX=/opt/dist
    run find "$to" ! -type d
    [[ ! $output ]] || fail "$output"
}

@test "systemd has no objection to the units" {
    local unit to=$BATS_TEST_TMPDIR/units
    command -v systemd-analyze >/dev/null || skip 'systemd is not installed'
    mkdir "$to"
    for unit in systemd/*; do
        sed "s|/usr/local/bin|$DIST_BUILD/cmd|; s|man:[^ ]*||g" "$unit" >"$to/${unit#systemd/}"
    done
    mv "$to/dist-deliver@.service" "$to/dist-deliver@1.service"
    run -0 env -u ASAN_OPTIONS systemd-analyze verify --man=no "$to"/*
    [[ ! $output ]] || fail "$output"
}

@test "what npm cannot fetch is told by install-deps and is no failure; what is there is not asked for" {
    local copy=$BATS_TEST_TMPDIR/root peer=$BATS_TEST_TMPDIR/root/tests/peers/some
    mkdir -p "$copy/scripts" "$peer" "$BATS_TEST_TMPDIR/bin"
    cp scripts/install-deps "$copy/scripts"
    printf '#!/bin/sh\necho installed\n' >"$BATS_TEST_TMPDIR/bin/dpkg-query"
    chmod +x "$BATS_TEST_TMPDIR/bin/dpkg-query"
    cp tests/peers/webhooks/package*.json "$peer"
    export PATH=$BATS_TEST_TMPDIR/bin:$PATH npm_config_registry=http://127.0.0.1:1/ npm_config_cache=$BATS_TEST_TMPDIR/npm
    run -0 --separate-stderr "$copy/scripts/install-deps"
    [[ $stderr == *'could not fetch what tests/peers/some needs; tests that need it are skipped'* && ! -e $peer/node_modules ]]
    run -1 "$copy/scripts/install-deps" --check
    [[ $output == tests/peers/some ]]
    mkdir "$peer/node_modules"
    touch "$peer/node_modules/.package-lock.json"
    run -0 "$copy/scripts/install-deps"
    [[ ! $output ]]
}

@test "lock files of peers name no registry" {
    run ! grep -nE '"resolved"|registry' tests/peers/*/package-lock.json
}

@test "every table of outcomes is one whose rows are all brought about by a test" {
    local table tables
    mapfile -t tables < <(grep -hoE '^const struct outcome_table outcomes_[a-z0-9]+' lib/deliver/*.c | sed 's/.* //')
    ((${#tables[@]} >= 8))
    for table in "${tables[@]}"; do
        grep -qE "rows_assert_all\(&$table\)" tests/servers/test_*.c || fail "no test asserts it of $table"
    done
}

# member_items: the members that a page describes, "NAME<tab>REST OF THE LINE", where it has a type in parentheses
member_items() {
    sed -nE 's/^\.It Cm (.*) No (\(.*)$/\1\t\2/p' "$1"
}

# section_members PAGE TITLE: the names of the members in that section
section_members() {
    awk -v title="$2" '/^\.S[sh] / { in_it = ($0 == ".Ss " title) } in_it' "$1" | member_items /dev/stdin | cut -f1 |
        sed 's/ , /\n/g'
}

@test "every member of every form is described in its place in dist-destinations(5)" {
    local page=man/dist-destinations.5 protocol member missing protocols
    run -64 --separate-stderr dist-admin destination new no-protocol # the text lists them
    read -r -a protocols < <(sed -E 's/^dist-admin: //; s/ is wanted.*//; s/,| or / /g' <<<"$stderr")
    ((${#protocols[@]} >= 8))
    for protocol in "${protocols[@]}"; do
        dist-admin destination new "$protocol" >/dev/null 2>"$BATS_TEST_TMPDIR/members"
        missing=$(comm -23 <(sed -E 's/^dist-admin: //; s/: .*//' "$BATS_TEST_TMPDIR/members" | sort -u) <(
            { section_members "$page" "$protocol"; section_members "$page" 'What every destination may have'; } | sort -u))
        [[ ! $missing ]] || fail "$protocol: not in the page: $missing"
    done
    # those of the objects in forms too
    while read -r member; do
        grep -qE "^\.(It )?Cm (.* , )?$member( |$)" "$page" || fail "$member is not in the page"
    done < <(grep -hoE '\.name = "[a-z_]+"' lib/model/form.c lib/model/form_*.c | sed 's/.*"\(.*\)"/\1/' | sort -u)
}

@test "every member in dist-destinations(5) has its type, and its default unless it is required" {
    local missing
    missing=$(awk '
        function leave() { if (item && !told) print "line " line ": no default: " item; item = "" }
        /^\.(It|El|Ss|Sh)/ { leave() }
        /^\.It Cm .* No \(/ { item = $0; line = NR; told = /required\)$/ }
        /^Default|\(required\)/ { told = 1 }' man/dist-destinations.5)
    [[ ! $missing ]] || fail "$missing"
}
