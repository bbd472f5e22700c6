#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# Redis as a cluster, behind Sentinels, by TLS: the settings reach every tool, and jobs pass

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up postgres receiver
    tenant acme
    rest_destination hook /in/hook
    unset REDIS_HOST
    export CA=$BATS_FILE_TMPDIR/tls/ca.crt FIRST_PORT=$((10240 + $$ * 7 % 20000))
    certificates
}

teardown_file() {
    local file
    services_stop
    for file in "$BATS_FILE_TMPDIR"/redis/*.pid; do
        kill -KILL "$(cat "$file")" 2>/dev/null || true
    done
    sandbox_down
}

teardown() {
    services_stop
}

# An authority, and what it has signed for 127.0.0.1.
certificates() (
    mkdir "$BATS_FILE_TMPDIR/tls" && cd "$BATS_FILE_TMPDIR/tls" || return
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=ca
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout redis.key -out redis.csr -subj /CN=redis
    openssl x509 -req -in redis.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out redis.crt \
        -extfile <(echo subjectAltName=IP:127.0.0.1)
) 2>/dev/null

# port NUMBER: one below those that the kernel gives to clients
port() {
    echo $((FIRST_PORT + $1))
}

# redis_launch NAME ARGUMENT...: a redis-server in a folder of its own
redis_launch() {
    local folder=$BATS_FILE_TMPDIR/redis/$1
    mkdir -p "$folder"
    (
        for fd in "/proc/$BASHPID/fd/"*; do
            fd=${fd##*/}
            ((fd < 3)) || exec {fd}>&-
        done
        exec setsid redis-server "${@:2}" --dir "$folder" --bind 127.0.0.1
    ) </dev/null >"$folder.log" 2>&1 &
    echo $! >"$folder.pid"
    disown
}

# cli ARGUMENT...: redis-cli by TLS
cli() {
    timeout 20 redis-cli --tls --cacert "$CA" --no-auth-warning -a 'open sesame' "$@"
}

# deliver_some TYPE: ten jobs, from submission to the end
deliver_some() {
    local id i
    services_start
    for ((i = 0; i < 10; i++)); do
        id=$(echo '{"a": 1}' | dist-submit --tenant acme --type "$1" --to hook)
    done
    run -0 dist-status --wait --timeout 20s "$id"
    wait_until 20 is 10 sql "select count(*) from distribution_jobs where status = 'completed' and data_type = '$1'"
}

# Without a start of the services.
deliver_some_more() {
    local i
    for ((i = 0; i < 10; i++)); do
        echo '{"a": 1}' | dist-submit --tenant acme --type "$1" --to hook >/dev/null
    done
    wait_until 60 is 10 sql "select count(*) from distribution_jobs where status = 'completed' and data_type = '$1'"
}

@test "jobs pass over a cluster, by TLS and with a password" {
    local ports=() i
    for i in 1 2 3; do
        ports+=("127.0.0.1:$(port "$i")")
        redis_launch "cluster-$i" --port 0 --tls-port "$(port "$i")" --tls-cluster yes --tls-auth-clients no \
            --tls-ca-cert-file "$CA" --tls-cert-file "${CA%/*}/redis.crt" --tls-key-file "${CA%/*}/redis.key" \
            --requirepass 'open sesame' --cluster-enabled yes --cluster-port "$(port "1$i")" --cluster-node-timeout 2000
        wait_until 20 is PONG cli -p "$(port "$i")" ping
    done
    cli --cluster create "${ports[@]}" --cluster-yes
    for i in 1 2 3; do
        wait_until 20 eval "cli -p $(port "$i") cluster info | grep -q cluster_state:ok"
    done
    export REDIS_CLUSTER=1 REDIS_HOST=${ports[0]},${ports[1]} REDIS_PASSWORD='open sesame' REDIS_TLS=1
    export REDIS_TLS_CA_FILE=$CA
    run -0 dist-admin doctor
    [[ $output == *"redis cluster at ${ports[0]},${ports[1]}: version "* ]]
    [[ $output == *"the cluster: 3 nodes, 16384 slots are served"* ]]
    deliver_some cluster
    run -0 dist-status --queues
    services_stop
    REDIS_TLS_CA_FILE='' run -78 dist-admin doctor
    [[ $output == *"the server's certificate is refused"* && $output != *sesame* ]]
    kill -KILL "$(cat "$BATS_FILE_TMPDIR/redis/cluster-3.pid")"
    wait_until 20 eval "cli -p $(port 1) cluster info | grep -q cluster_state:fail"
    run -75 dist-admin doctor
    [[ $output == *"the cluster is down"* ]]
}

@test "jobs pass over the master that a Sentinel names, and over the next one" {
    local sentinel
    redis_launch one --port "$(port 21)" --repl-diskless-sync-delay 0
    redis_launch two --port "$(port 22)" --repl-diskless-sync-delay 0 --replicaof 127.0.0.1 "$(port 21)"
    wait_until 20 eval "redis-cli -p $(port 22) info replication | grep -q master_link_status:up"
    printf 'sentinel monitor dist 127.0.0.1 %d 1\nsentinel down-after-milliseconds dist 500\n' "$(port 21)" \
        >"$BATS_FILE_TMPDIR/redis/sentinel.conf"
    redis_launch sentinel "$BATS_FILE_TMPDIR/redis/sentinel.conf" --sentinel --port "$(port 23)"
    wait_until 20 eval "redis-cli -p $(port 23) sentinel master dist | grep -A1 num-slaves | grep -qx 1"
    sentinel=127.0.0.1:$(port 23)
    export REDIS_SENTINELS=127.0.0.1:1,$sentinel REDIS_SENTINEL_MASTER=dist
    run -0 dist-admin doctor
    [[ $output == *"redis master dist at 127.0.0.1:$(port 21) (sentinel): version "* ]]
    deliver_some before # the services go on
    kill -KILL "$(cat "$BATS_FILE_TMPDIR/redis/one.pid")"
    deliver_some_more after
    run -0 dist-admin doctor
    [[ $output == *"redis master dist at 127.0.0.1:$(port 22) (sentinel): version "* ]]
}

@test "settings that do not go together are found by config --check" {
    REDIS_CLUSTER=1 REDIS_DB=3 run -78 --separate-stderr dist-admin config --check
    [[ $stderr == *"a cluster has the database 0 only"* ]]
    REDIS_SENTINELS=s1,s2 run -78 --separate-stderr dist-admin config --check
    [[ $stderr == *"no name of a master"* ]]
    REDIS_TLS=1 REDIS_TLS_CA_FILE=ca.crt run -78 --separate-stderr dist-admin config --check
    [[ $stderr == *"'ca.crt' is not an absolute path"* ]]
    destination bad '{"protocol": "RESTT"}'
    REDIS_TLS_CA_FILE=/ca.crt run -78 --separate-stderr dist-admin config --check
    [[ $stderr == *"which is off"* && $stderr == *"bad.json"* ]]
    rm "$DIST_CONFIG_DIR/destinations.d/bad.json"
    run -0 dist-admin config --check
}
