#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
#
# The examples of the pages and of the README do what they say: they are cut out of the pages and run.
#
# In a page every .Bd of EXAMPLES has a comment before it that says how it is run:
#   .\" example: filter    without any server
#   .\" example: server    with servers and services
#   .\" example: service   a service: until it is ready, then SIGTERM

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up
    tenant acme
    rest_destination ops-hook /in/ops
    destination archive '{"protocol": "file", "path": "'"$BATS_FILE_TMPDIR"'/archive/{delivery_id}"}'
    mkdir "$BATS_FILE_TMPDIR/archive"
    services_start
}

teardown_file() {
    services_stop
    sandbox_down
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
}

# examples PAGE KIND: the examples of that kind, into files 1, 2, ... of the folder KIND here
examples() {
    mkdir -p "$2"
    sed 's/\\(aq/'\''/g; s/\\(dq/"/g; s/\\e/\\/g; s/\\&//g' "$ROOT/man/$1" | awk -v kind="$2" '
        /^\.Sh / { in_it = ($2 == "EXAMPLES") }
        !in_it { next }
        /^\.\\" example: / { next_kind = $3; next }
        /^\.Bd / { file = next_kind == kind ? kind "/" ++count : ""; next_kind = ""; next }
        /^\.Ed/ { if (file) close(file); file = ""; next }
        file { print > file }'
}

# each_example KIND COMMAND...: for every example of the pages of the tools, which is its last argument
each_example() {
    local kind=$1 tool file count=0
    shift
    for tool in "${tools[@]}"; do
        mkdir "$tool" && cd "$tool" || return
        examples "$tool.1" "$kind"
        for file in "$kind"/*; do
            [[ -f $file ]] || continue
            "$@" "$file" || fail "$tool(1): $(cat "$file")" || return
            count=$((count + 1))
        done
        cd .. || return
    done
    ((count > 0)) || fail "there is no example of the kind $kind"
}

# As a reader types it, but that every program of a pipe must succeed.
run_example() {
    bash -euo pipefail "$1" </dev/null >said 2>&1 || fail "exit code $?: $(cat said)"
}

# Nothing that looks for a server finds one.
run_without_servers() {
    DB_HOST=$BATS_TEST_TMPDIR/nowhere REDIS_HOST=$BATS_TEST_TMPDIR/nowhere run_example "$1"
}

is_ready() {
    grep -q '"ready"' said
}

run_service() {
    local pid code=0
    (set +e; read -ra words <"$1"; exec "${words[@]}") >said 2>&1 3>&- 4>&- &
    pid=$!
    wait_until 20 is_ready || code=1
    kill "$pid"
    wait "$pid" || fail "exit code $?: $(cat said)" || code=1
    return "$code"
}

@test "every example of a tool says how it is run" {
    local tool
    for tool in "${tools[@]}"; do
        # shellcheck disable=SC2016 # of awk
        run -0 awk '/^\.Sh / { in_it = ($2 == "EXAMPLES") }
            in_it && /^\.Bd / && before !~ /^\.\\" example: (filter|server|service)$/ { print FILENAME ":" FNR }
            { before = $0 }' "$ROOT/man/$tool.1"
        [[ ! $output ]] || fail "$output"
        grep -q '^\.\\" example: ' "$ROOT/man/$tool.1" || fail "$tool(1) has no example"
    done
}

@test "the examples without a server work without one" {
    each_example filter run_without_servers
}

@test "the examples of services start, become ready and stop" {
    each_example service run_service
}

@test "the examples with servers work, also where there are dead letters" {
    local id
    rest_destination ops-hook /in/ops/status/503 '{"retry_policy": "none"}'
    kill -HUP "$(service_pid deliver)"
    wait_until 10 grep -q 'have been read again' "$(service_log deliver)"
    id=$(echo '{"used": 91}' | dist-submit -t acme -T disk_report -d ops-hook)
    run -1 dist-status --wait --timeout 20s "$id"
    rest_destination ops-hook /in/ops
    kill -HUP "$(service_pid deliver)"
    wait_until 10 is 2 grep -c 'have been read again' "$(service_log deliver)"
    each_example server run_example
    run -0 dist-status --wait --timeout 20s "$id"
}

@test "the forms in dist-destinations(5) are good, and the request in dist-envelope(5) is one" {
    local form count=0
    config_fresh
    export -n DB_HOST REDIS_HOST
    mandoc -T ascii -O width=200 "$ROOT/man/dist-destinations.5" | plain_text | awk '
        /^ *\{$/ || /^ *\{.*"group".*\}$/ { file = "form" ++count ".json" }
        file { print > file }
        /^           \}$/ || /"group".*\}$/ { if (file) close(file); file = "" }'
    for form in form*.json; do
        jq -e 'type == "object"' "$form" || fail "$(cat "$form")"
        if jq -e '.group' "$form"; then
            destination eu-1 '{"protocol": "null"}'
            destination eu-2 '{"protocol": "null"}'
        fi
        cp "$form" "$DIST_CONFIG_DIR/destinations.d/"
        count=$((count + 1))
    done
    ((count >= 6)) || fail "only $count forms"
    run -0 dist-admin destination list
    destination archive '{"protocol": "null"}'
    mandoc -T ascii -O width=200 "$ROOT/man/dist-envelope.5" | plain_text |
        awk '/^           \{$/ { on = 1 } on { print } /^           \}$/ { exit }' >request.json
    run -0 dist-submit --request --dry-run request.json
}

@test "every command of the README works as written" {
    local name
    mkdir home
    for name in DB_HOST DB_PORT DB_NAME DB_USER REDIS_HOST DIST_CONFIG_DIR DIST_ALLOW_PRIVATE RECEIVER_URL; do
        unset "$name"
    done
    # shellcheck disable=SC2016 # of the script
    echo 'trap "{ kill \$(jobs -p); wait; scripts/sandbox down --purge; } >/dev/null 2>&1 || true" EXIT' >script # where it fails
    # shellcheck disable=SC2016 # of awk
    awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' "$ROOT/README.md" | # it is built already
        grep -vE '^scripts/install-deps|^PATH=' >>script
    (($(wc -l <script) > 20))
    (cd "$ROOT" && HOME=$BATS_TEST_TMPDIR/home DIST_SANDBOX_DIR=$BATS_TEST_TMPDIR/sb \
        bash -eo pipefail "$BATS_TEST_TMPDIR/script" </dev/null 3>&- 4>&-) >said 2>&1 || fail "$(cat said)"
    grep -q '^1 deliveries, 1 delivered$' said || fail "$(cat said)"
    grep -q '^exit status 1: not everything was delivered$' said || fail "$(cat said)"
    grep -q ' later .* exhausted ' said || fail "$(cat said)"
    grep -q '^1 replayed, batch ' said || fail "$(cat said)"
    grep -Eq ' completed +2/2 ' said || fail "$(cat said)"
    [[ ! -e home/dist-try ]]
}
