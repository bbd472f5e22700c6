#!/usr/bin/env bats
#
# scripts/sandbox: private servers that come up, go away without a trace, and can be killed one at a time.

bats_require_minimum_version 1.5.0

setup_file() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    export ROOT PATH=$ROOT/scripts:$PATH
    export DIST_RECEIVER=${DIST_RECEIVER:-$ROOT/build/default/tests/receiver/dist-receiver}
    export DIST_SANDBOX_DIR=$BATS_FILE_TMPDIR/one
    sandbox up --no-fsync
}

teardown_file() {
    local dir
    for dir in "$BATS_FILE_TMPDIR"/*/; do
        sandbox down --dir "$dir" --purge
    done
}

# processes DIR: what still runs out of that folder, or out of the folder that it links to.
# Others come and go meanwhile.
processes() {
    local run pid line
    run=$(realpath "$1/run")
    for pid in /proc/[0-9]*; do
        line=$({ tr '\0' ' ' <"$pid/cmdline"; } 2>/dev/null) || continue
        [[ $line == *"$1/"* || $line == *"$run"* || $(readlink "$pid/cwd") == @("$1"|"$run")/* ]] || continue
        echo "${pid#/proc/} $line"
    done 2>/dev/null
}

pids() {
    sandbox status | awk '{ print $1, $4 }'
}

sql() {
    psql -XAtq -v ON_ERROR_STOP=1 -h "$DB_HOST" -p "$DB_PORT" -U "$DB_USER" -d "$DB_NAME" -c "$1"
}

load_env() {
    local lines
    lines=$(sandbox env "$@")
    eval "$lines"
}

@test "the servers answer at the places that env names" {
    load_env
    [[ $(redis-cli -s "$REDIS_HOST" ping) == PONG ]]
    [[ $(sql 'select current_user, current_database()') == 'dist|dist' ]]
    [[ $(curl -fsS "$RECEIVER_URL/_/ping") == pong ]]
    [[ -f $DIST_CONFIG_DIR/dist.conf && -d $DIST_CONFIG_DIR/destinations.d && $DIST_ALLOW_PRIVATE == 1 ]]
}

@test "Redis is durable, never evicts and listens on no port" {
    load_env
    run -0 redis-cli -s "$REDIS_HOST" config get appendonly
    [[ $output == *yes ]]
    run -0 redis-cli -s "$REDIS_HOST" config get appendfsync
    [[ $output == *everysec ]]
    run -0 redis-cli -s "$REDIS_HOST" config get maxmemory-policy
    [[ $output == *noeviction ]]
    run -0 redis-cli -s "$REDIS_HOST" config get port
    [[ $output == *$'\n0' ]]
}

@test "PostgreSQL listens on no port and its user is no superuser, but may create tables" {
    load_env
    [[ -z $(sql 'show listen_addresses') ]]
    [[ $(sql 'select rolsuper from pg_roles where rolname = current_user') == f ]]
    sql 'create table public.t (x int); drop table public.t; create schema s; drop schema s'
}

@test "a second up starts nothing" {
    local before
    before=$(pids)
    sandbox up
    [[ $(pids) == "$before" ]]
}

@test "two that come up at once start each service once" {
    sandbox down
    sandbox up 3>&- &
    sandbox up
    wait $!
    run -0 processes "$DIST_SANDBOX_DIR"
    [[ $(grep -c 'redis-server' <<<"$output") == 1 && $(grep -c 'dist-receiver' <<<"$output") == 1 ]]
}

@test "fsync is on unless it was declined when the cluster was created" {
    load_env
    [[ $(sql 'show fsync') == off ]]
    sandbox up --dir "$BATS_FILE_TMPDIR/fsync" postgres
    load_env --dir "$BATS_FILE_TMPDIR/fsync"
    [[ $(sql 'show fsync') == on ]]
    run -0 sandbox status --dir "$BATS_FILE_TMPDIR/fsync"
    [[ ${#lines[@]} == 1 ]]
}

@test "Redis that is killed comes back at its place with its data" {
    load_env
    redis-cli -s "$REDIS_HOST" set kept 1
    sandbox down --kill redis
    run -1 sandbox status
    [[ $output == *'redis     stopped'*'postgres  running'*'receiver  running'* ]]
    run ! redis-cli -s "$REDIS_HOST" ping
    sandbox up redis
    [[ $(redis-cli -s "$REDIS_HOST" get kept) == 1 ]]
}

@test "PostgreSQL that is killed leaves no child and comes back with what was committed" {
    load_env
    sql 'create table if not exists kept (x int); insert into kept values (1)'
    PGOPTIONS='' psql -h "$DB_HOST" -U dist -d dist -c 'select pg_sleep(60)' >/dev/null 2>&1 3>&- &
    sandbox down --kill postgres
    run -0 processes "$DIST_SANDBOX_DIR"
    [[ $output == *redis* && $output != *postgres* ]]
    sandbox up postgres
    [[ $(sql 'select count(*) from kept') == 1 ]]
}

@test "the receiver that is killed comes back on its port and remembers" {
    load_env
    curl -fsS "$RECEIVER_URL/in/before"
    sandbox down --kill receiver
    sandbox up receiver
    [[ $(curl -fsS "$RECEIVER_URL/_/count?path=/in/before") == 1 ]]
}

@test "--wipe deletes the data of that service only" {
    load_env
    redis-cli -s "$REDIS_HOST" set gone 1
    sql 'create table if not exists stays (x int)'
    sandbox down --wipe redis
    sandbox up redis
    [[ $(redis-cli -s "$REDIS_HOST" dbsize) == 0 ]]
    sql 'select * from stays'
    sandbox down --kill --wipe postgres
    sandbox up postgres
    run ! sql 'select * from stays'
}

@test "two sandboxes run side by side and share nothing" {
    local other=$BATS_FILE_TMPDIR/two
    sandbox up --dir "$other"
    load_env
    local redis=$REDIS_HOST url=$RECEIVER_URL
    redis-cli -s "$redis" set mine 1
    load_env --dir "$other"
    [[ $REDIS_HOST != "$redis" && $RECEIVER_URL != "$url" ]]
    [[ $(redis-cli -s "$REDIS_HOST" exists mine) == 0 ]]
    sandbox down --dir "$other" --purge
    [[ ! -e $other ]]
    sandbox status
}

@test "a deep folder with blanks and quotes works, and purge leaves nothing" {
    local deep run
    deep="$BATS_FILE_TMPDIR/it's deep/$(printf '%0100d' 0)"
    sandbox up --dir "$deep"
    run=$(realpath "$deep/run")
    load_env --dir "$deep"
    [[ $(redis-cli -s "$REDIS_HOST" ping) == PONG && $(sql 'select 1') == 1 ]]
    sandbox down --dir "$deep" --purge
    [[ ! -e $deep && ! -e $run ]]
    rmdir "${deep%/*}"
}

@test "a service that cannot start is named, with the end of its log" {
    local dir=$BATS_FILE_TMPDIR/broken
    sandbox up --dir "$dir" receiver
    sandbox down --dir "$dir" receiver
    echo nonsense >"$dir/receiver/data/record.ndjson"
    run -1 --separate-stderr sandbox up --dir "$dir" receiver
    # shellcheck disable=SC2154 # set by --separate-stderr
    [[ $stderr == *'receiver did not come up'*'line 1 is not a record'* ]]
    run -69 sandbox up --dir "$dir" --receiver /nonexistent receiver
}

@test "a folder that is someone's is neither taken nor purged" {
    mkdir -p "$BATS_TEST_TMPDIR/mine/config"
    run -1 sandbox up --dir "$BATS_TEST_TMPDIR/mine"
    run -0 sandbox down --purge --dir "$BATS_TEST_TMPDIR/mine"
    [[ -d $BATS_TEST_TMPDIR/mine/config ]]
}

@test "RabbitMQ comes up, is killed and comes back, and leaves nothing" {
    [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]] || skip 'rabbitmq-server is not installed'
    local dir=$BATS_FILE_TMPDIR/amqp before
    sandbox up --dir "$dir" rabbitmq
    load_env --dir "$dir"
    [[ $AMQP_URL == amqp://guest:guest@127.0.0.1:*/%2F ]]
    before=$AMQP_URL
    sandbox down --dir "$dir" --kill rabbitmq
    run -0 processes "$dir"
    [[ -z $output ]] || { echo "$output"; return 1; }
    sandbox up --dir "$dir" rabbitmq
    load_env --dir "$dir"
    [[ $AMQP_URL == "$before" ]]
    sandbox down --dir "$dir"
    run -0 processes "$dir"
    [[ -z $output ]] || { echo "$output"; return 1; }
}

@test "a mistake in the arguments is a usage error" {
    run -64 sandbox
    run -64 sandbox up --no-such-option
    run -64 sandbox up mysql
    run -64 sandbox up --dir
    run -64 sandbox down --purge redis
    run -1 sandbox status --dir "$BATS_TEST_TMPDIR/none"
    run -0 sandbox --help
}

@test "after down no process is left, and a second down is nothing to do" {
    run -0 processes "$DIST_SANDBOX_DIR"
    [[ -n $output ]]
    sandbox down
    run -0 processes "$DIST_SANDBOX_DIR"
    [[ -z $output ]] || { echo "$output"; return 1; }
    sandbox down
    run -1 sandbox status
    sandbox up
    sandbox status
}
