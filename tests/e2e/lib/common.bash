# What the end-to-end tests share: the tools of one build, a sandbox per file, services, a receiver to ask.
#
#   bats_require_minimum_version 1.5.0
#   load lib/common
#   setup_file() { sandbox_up; tenant acme; rest_destination hook /in/hook; services_start; }
#   teardown_file() { services_stop; sandbox_down; }
#
# Everything lies below $BATS_FILE_TMPDIR, so a file's tests see one sandbox and two files never the same. Nothing
# sleeps for luck: wait_until asks until a deadline.

# shellcheck disable=SC2154 # BATS_FILE_TMPDIR is set by bats
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
DIST_BUILD=${DIST_BUILD:-$ROOT/build/default}
DIST_RECEIVER=${DIST_RECEIVER:-$DIST_BUILD/tests/receiver/dist-receiver}
[[ :$PATH: == *":$DIST_BUILD/cmd:"* ]] || PATH=$DIST_BUILD/cmd:$PATH
export ROOT DIST_BUILD DIST_RECEIVER PATH
unset NO_COLOR DIST_LOG_FORMAT DIST_LOG_LEVEL # the tests choose them

# shellcheck disable=SC2034 # for the tests
tools=(dist-submit dist-route dist-transform dist-deliver dist-status dist-dlq dist-admin)

# fail TEXT...: the test ends here
fail() {
    printf '%s\n' "$*" >&2
    return 1
}

# wait_until SECONDS COMMAND...: until it succeeds; its output is shown when it never does
wait_until() {
    local deadline=$((SECONDS + $1)) said
    shift
    until said=$("$@" 2>&1); do
        ((SECONDS < deadline)) || { fail "not in time: $*"$'\n'"$said"; return 1; }
        sleep 0.05
    done
}

# process_gone PID
process_gone() {
    ! kill -0 "$1" 2>/dev/null
}

# needs_peer NAME: skips the test where the program of tests/peers/NAME has not got what it is made of
needs_peer() {
    [[ -e $ROOT/tests/peers/$1/node_modules/.package-lock.json ]] ||
        skip "tests/peers/$1 lacks its modules: scripts/install-deps gets them by npm"
}

# plain_text: a page as mandoc prints it, without its bold letters and tabs
plain_text() {
    sed $'s/.\b//g' | expand
}

# is VALUE COMMAND...: whether it prints exactly that; for wait_until
is() {
    local said
    said=$("${@:2}")
    [[ $said == "$1" ]] || fail "'$said' rather than '$1': ${*:2}"
}

# --- folders without servers ---

# config_folder: an empty configuration folder, for tools that need no server
config_folder() {
    export DIST_CONFIG_DIR=$BATS_FILE_TMPDIR/config DIST_ALLOW_PRIVATE=1
    mkdir -p "$DIST_CONFIG_DIR"/{destinations,credentials}.d
}

# config_fresh: one of the test's own
config_fresh() {
    export DIST_CONFIG_DIR=$BATS_TEST_TMPDIR/config DIST_ALLOW_PRIVATE=1
    mkdir -p "$DIST_CONFIG_DIR"/{destinations,credentials}.d
}

# destination NAME JSON: its form
destination() {
    printf '%s\n' "$2" >"$DIST_CONFIG_DIR/destinations.d/$1.json"
}

# rest_destination NAME PATH [JSON]: to the receiver; what stands in JSON is added to the form
rest_destination() {
    destination "$1" "$(jq -cn --arg url "$RECEIVER_URL$2" --argjson more "${3:-"{}"}" \
        '{protocol: "REST", endpoint: $url} + if $more.credentials then {allow_private: true} else {} end + $more')"
}

# --- the sandbox ---

# sandbox ARGUMENT...: scripts/sandbox on that of this file; without what bats keeps open, since servers stay
sandbox() {
    "$ROOT/scripts/sandbox" "$1" --dir "$BATS_FILE_TMPDIR/sb" "${@:2}" 3>&- 4>&-
}

# sandbox_up [SERVICE...]: starts it, and points this shell and all tests of the file at it
sandbox_up() {
    local lines
    sandbox up --no-fsync "$@" || return
    lines=$(sandbox env) && eval "$lines"
}

# Fails where a server had to be killed.
sandbox_down() {
    sandbox down --purge
}

sql() {
    psql -XAtq -v ON_ERROR_STOP=1 -h "$DB_HOST" -p "$DB_PORT" -U "$DB_USER" -d "$DB_NAME" -c "$1"
}

redis() {
    redis-cli -s "$REDIS_HOST" "$@"
}

# tenant NAME...: the schema, and these tenants
tenant() {
    local name
    dist-admin init >/dev/null || return
    for name; do
        dist-admin tenant add "$name" || return
    done
}

# --- services: a pid file and a log each, below $BATS_FILE_TMPDIR/services ---

service_log() {
    echo "$BATS_FILE_TMPDIR/services/$1.log"
}

service_pid() {
    cat "$BATS_FILE_TMPDIR/services/$1.pid"
}

# service_running NAME: a zombie, whose parent was a test that has ended, does not run
service_running() {
    local stat
    stat=$(cat "/proc/$(service_pid "$1" 2>/dev/null)/stat" 2>/dev/null) && [[ ${stat##*) } != Z* ]]
}

service_ready() {
    service_running "$1" || fail "$1 has ended: $(tail -n 20 "$(service_log "$1")")" || return
    grep -q '"ready"' "$(service_log "$1")"
}

# service_launch NAME [ARGUMENT...]: dist-NAME --stream, or dist-TOOL for a name as TOOL-2
service_launch() {
    local name=$1 log pid_file=$BATS_FILE_TMPDIR/services/$1.pid
    log=$(service_log "$name")
    mkdir -p "$BATS_FILE_TMPDIR/services"
    : >"$log"
    (
        for fd in "/proc/$BASHPID/fd/"*; do
            fd=${fd##*/}
            ((fd < 3)) || exec {fd}>&-
        done
        exec setsid "dist-${name%%-*}" --stream "${@:2}"
    ) </dev/null >>"$log" 2>&1 &
    echo $! >"$pid_file"
    disown
}

# service_start NAME [ARGUMENT...]: and waits until it says that it is ready
service_start() {
    service_launch "$@"
    wait_until 20 service_ready "$1"
}

# service_stop NAME [SIGNAL]: and waits until it has gone
service_stop() {
    service_running "$1" || return 0
    kill -"${2:-TERM}" "$(service_pid "$1")"
    wait_until 30 service_gone "$1"
}

service_gone() {
    ! service_running "$1"
}

# services_start [NAME...]: by default one of each
services_start() {
    local name names=("$@")
    ((${#names[@]})) || names=(route transform deliver)
    for name in "${names[@]}"; do
        service_launch "$name"
    done
    for name in "${names[@]}"; do
        wait_until 20 service_ready "$name" || return
    done
}

# All that was started and still runs; 1 where one of them did not end by SIGTERM.
services_stop() {
    local file name result=0
    for file in "$BATS_FILE_TMPDIR"/services/*.pid; do
        [[ -e $file ]] || continue
        name=$(basename "$file" .pid)
        service_stop "$name" || { service_stop "$name" KILL; result=1; }
    done
    return "$result"
}

# --- the receiver ---

# receiver_launch NAME: one of this file's own, which keeps the bodies of requests
receiver_launch() {
    mkdir -p "$(receiver_bodies "$1")"
    "$DIST_RECEIVER" --quiet --port-file "$BATS_FILE_TMPDIR/receivers/$1/port" --bodies "$(receiver_bodies "$1")" 3>&- 4>&- &
    echo $! >"$BATS_FILE_TMPDIR/receivers/$1/pid"
    disown
    wait_until 10 test -s "$BATS_FILE_TMPDIR/receivers/$1/port"
}

receiver_bodies() {
    echo "$BATS_FILE_TMPDIR/receivers/$1/bodies"
}

receiver_url() {
    echo "http://127.0.0.1:$(<"$BATS_FILE_TMPDIR/receivers/$1/port")"
}

# receiver_end NAME: it may have ended before
receiver_end() {
    kill "$(<"$BATS_FILE_TMPDIR/receivers/$1/pid")" 2>/dev/null || return 0
    wait_until 10 process_gone "$(<"$BATS_FILE_TMPDIR/receivers/$1/pid")"
}

# receiver_count PREFIX: requests whose path begins so
receiver_count() {
    curl -fsS -G --data-urlencode "path=$1" "$RECEIVER_URL/_/count"
}

# receiver_has PREFIX NUMBER: at least so many; for wait_until
receiver_has() {
    (($(receiver_count "$1") >= $2))
}

# receiver_distinct PREFIX [HEADER]: distinct values of that header in them; a delivery has one key for all attempts
receiver_distinct() {
    curl -fsS -G --data-urlencode "path=$1" --data-urlencode "header=${2:-idempotency-key}" "$RECEIVER_URL/_/distinct"
}

# receiver_requests PREFIX: their records, a JSON object per line
receiver_requests() {
    curl -fsS -G --data-urlencode "path=$1" "$RECEIVER_URL/_/requests"
}

receiver_reset() {
    curl -fsS -X POST "$RECEIVER_URL/_/reset" >/dev/null
}
