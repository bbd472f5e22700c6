#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
#
# Objects and files of data lakes: S3 by a server (s3rver) and a check of every signature (aws4) that are not ours, both
# from npm (tests/peers/s3), HDFS by a server that speaks the documented protocol (dist-webhdfs).

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    config_folder
    mkdir -p "$BATS_FILE_TMPDIR/s3" "$BATS_FILE_TMPDIR/hdfs"
}

teardown() {
    local file
    for file in "$BATS_FILE_TMPDIR"/*.pid; do
        [[ -e $file ]] || continue
        end_server "$(basename "$file" .pid)"
    done
}

# launch NAME COMMAND...: a server in the background; its output goes to a log
launch() {
    "${@:2}" >"$BATS_FILE_TMPDIR/$1.log" 2>&1 </dev/null 3>&- 4>&- &
    echo $! >"$BATS_FILE_TMPDIR/$1.pid"
    disown
}

# end_server NAME [SIGNAL]
end_server() {
    local pid
    pid=$(<"$BATS_FILE_TMPDIR/$1.pid")
    kill "${2:--TERM}" "$pid" 2>/dev/null || true
    wait_until 10 process_gone "$pid"
    rm -f "$BATS_FILE_TMPDIR/$1.pid"
}

# s3_start [PORT [CERTIFICATE]]: its port goes to $port
s3_start() {
    needs_peer s3
    launch s3 node "$ROOT/tests/peers/s3/store.js" "$BATS_FILE_TMPDIR/s3" "${1:-0}" ${2:+"$2"}
    wait_until 20 grep -q listening "$BATS_FILE_TMPDIR/s3.log"
    port=$(sed -n 's/^listening on //p' "$BATS_FILE_TMPDIR/s3.log")
}

# lake NAME JSON: an S3 destination of the server; what stands in JSON is added
lake() {
    destination "$1" "$(jq -cn --argjson port "$port" --argjson more "$2" '{protocol: "S3", region: "eu-south-1",
        endpoint: "http://127.0.0.1:\($port)", bucket: "reports", credentials: "s3", allow_private: true, timeout: 10} + $more')"
    credentials s3 '{"access_key": "S3RVER", "secret_key": "S3RVER"}'
}

# credentials NAME TEXT
credentials() {
    (umask 077 && printf '%s\n' "$2" >"$DIST_CONFIG_DIR/credentials.d/$1")
}

# object KEY: the file that s3rver keeps it in
object() {
    echo "$BATS_FILE_TMPDIR/s3/reports/$1._S3rver_object"
}

# stream NAME COUNT: numbers through the pipe, a result line each, to a file
stream() {
    seq 1 "$2" | jq -c '{n: .}' | dist-submit --pipe --tenant acme --type "$1" --to "$1" --ndjson | dist-route |
        dist-transform | dist-deliver --dead-letters "$BATS_TEST_TMPDIR/dead" >"$BATS_TEST_TMPDIR/results"
}

# arrived FOLDER SUFFIX: the numbers in all files below it, sorted
arrived() {
    find "$1" -name "*$2" -type f -exec cat {} + | jq .n | sort -n
}

@test "a store that is not ours takes our signatures, and keeps the bytes and the type" {
    s3_start
    lake plain '{"key": "{tenant_id}/a b+c/{distribution_id}.bin"}'
    head -c 100000 /dev/urandom >"$BATS_TEST_TMPDIR/body"
    run -0 --separate-stderr dist-deliver --once -d plain -t acme --content-type text/x-odd <"$BATS_TEST_TMPDIR/body"
    jq -e '.status == "delivered" and .response_code == 200' <<<"$output"
    local kept=("$BATS_FILE_TMPDIR/s3/reports/acme/a b+c/"*_object)
    cmp "$BATS_TEST_TMPDIR/body" "${kept[0]}"
    jq -e '.["content-type"] == "text/x-odd" and (.["x-amz-meta-delivery-id"] | length == 36)' \
        "${kept[0]%_object}_metadata.json"
    run -0 dist-admin destination check plain
}

@test "over TLS the authority is the destination's own, and no other is trusted" {
    local pem=$BATS_TEST_TMPDIR/tls.pem
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
        -addext subjectAltName=IP:127.0.0.1 -keyout "$pem" -out "$BATS_TEST_TMPDIR/ca.pem" 2>/dev/null
    cat "$BATS_TEST_TMPDIR/ca.pem" >>"$pem"
    s3_start 0 "$pem"
    lake sealed '{"key": "sealed.json", "endpoint": "https://127.0.0.1:'"$port"'",
        "tls": {"ca_file": "'"$BATS_TEST_TMPDIR/ca.pem"'"}}'
    lake stranger '{"key": "stranger.json", "endpoint": "https://127.0.0.1:'"$port"'"}'
    run -0 dist-deliver --once -d sealed -t acme <<<'{"n": 1}'
    jq -e '.n == 1' "$(object sealed.json)"
    run -0 dist-admin destination check sealed
    run -75 --separate-stderr dist-deliver --once -d stranger -t acme <<<'{"n": 1}'
    jq -e '.error | test("certificate")' <<<"$output"
    [[ ! -e $(object stranger.json) ]]
}

@test "the bucket may be part of the host's name" {
    s3_start
    lake virtual '{"style": "virtual", "key": "virtual.json", "endpoint": "http://s3.localhost:'"$port"'"}'
    run -0 --separate-stderr dist-deliver --once -d virtual <<<'{"v": 1}'
    jq -e .v "$(object virtual.json)"
    run -0 dist-admin destination check virtual
}

@test "a body above part_size is put together from its parts" {
    s3_start
    lake large '{"key": "large.bin", "part_size": 5242880, "timeout": 20}'
    head -c 12000000 /dev/urandom >"$BATS_TEST_TMPDIR/body"
    run -0 --separate-stderr dist-deliver --once -d large --content-type text/x-odd <"$BATS_TEST_TMPDIR/body"
    cmp "$BATS_TEST_TMPDIR/body" "$(object large.bin)"
    jq -e '.["content-type"] == "text/x-odd"' "$(object large.bin | sed s/_object/_metadata.json/)"
}

@test "what the store refuses is told by its own word, and no secret is" {
    s3_start
    lake wrong '{"credentials": "wrong"}'
    credentials wrong '{"access_key": "S3RVER", "secret_key": "hunter2-hunter2"}'
    run -75 --separate-stderr dist-deliver --once -d wrong <<<'{}'
    jq -e '.response_code == 403 and (.error | startswith("HTTP 403 SignatureDoesNotMatch: "))' <<<"$output"
    [[ $output$stderr != *hunter2* ]]
    credentials wrong '{"access_key": "NOBODY", "secret_key": "hunter2-hunter2"}'
    run -75 --separate-stderr dist-deliver --once -d wrong <<<'{}'
    [[ $output == *InvalidAccessKeyId* ]]
    credentials wrong '{"access_key": "S3RVER", "secret_key": "S3RVER", "session_token": "expired"}'
    run -75 --separate-stderr dist-deliver --once -d wrong <<<'{}'
    [[ $output == *ExpiredToken* ]]
    credentials wrong '{"access_key": "S3RVER", "secret_key": "S3RVER", "session_token": "good"}'
    run -0 --separate-stderr dist-deliver --once -d wrong <<<'{}'
    lake nowhere '{"bucket": "absent"}'
    run -75 --separate-stderr dist-deliver --once -d nowhere <<<'{}'
    [[ $output == *NoSuchBucket* ]]
    run -69 --separate-stderr dist-admin destination check nowhere
    [[ $stderr == *'the bucket does not exist'* ]]
}

@test "a thousand reports are a thousand objects, though the store is killed in the middle" {
    s3_start
    lake many '{"key": "many/{delivery_id}", "retry_policy": {"max_attempts": 20, "max_backoff": "500ms"}}'
    stream many 1000 3>&- 4>&- &
    local pipe=$!
    wait_until 20 bash -c "[[ \$(find '$BATS_FILE_TMPDIR/s3/reports/many' -name '*_object' | wc -l) -gt 200 ]]"
    run ! process_gone "$pipe"
    end_server s3 -KILL
    s3_start "$port"
    wait "$pipe"
    diff <(seq 1 1000) <(arrived "$BATS_FILE_TMPDIR/s3/reports/many" _object)
    [[ $(jq -s 'map(select(.status == "delivered")) | length' "$BATS_TEST_TMPDIR/results") == 1000 ]]
}

# hdfs_start [PORT DATA-PORT]: they go to $ports
hdfs_start() {
    rm -f "$BATS_FILE_TMPDIR/hdfs.ports"
    launch hdfs "$DIST_BUILD/tests/webhdfs/dist-webhdfs" "$BATS_FILE_TMPDIR/hdfs" "${1:-0}" "${2:-0}" \
        "$BATS_FILE_TMPDIR/hdfs.ports"
    wait_until 10 test -s "$BATS_FILE_TMPDIR/hdfs.ports"
    read -r -a ports <"$BATS_FILE_TMPDIR/hdfs.ports"
}

# folder NAME JSON: an HDFS destination of the server
folder() {
    destination "$1" "$(jq -cn --argjson port "${ports[0]}" --arg name "$1" --argjson more "$2" '{protocol: "HDFS",
        user: "dist", endpoint: "http://127.0.0.1:\($port)", path: "/\($name)/{tenant_id}/{delivery_id}.json",
        timeout: 10} + $more')"
}

@test "a file of HDFS is written by a datanode and renamed; the same is ours, another stays" {
    local id=0190b2c4-0000-7000-8000-000000000001
    hdfs_start
    folder files '{}'
    run -0 --separate-stderr dist-deliver --once -d files -t acme --id "$id" <<<'{"a": 1}'
    jq -e '.status == "delivered"' <<<"$output"
    [[ $(<"$BATS_FILE_TMPDIR/hdfs/files/acme/$id.json") == '{"a": 1}' ]]
    run -0 --separate-stderr dist-deliver --once -d files -t acme --id "$id" <<<'{"a": 1}'
    run -65 --separate-stderr dist-deliver --once -d files -t acme --id "$id" <<<'{"a": 2}'
    [[ $output == *'a file with other content is there'* ]]
    [[ $(<"$BATS_FILE_TMPDIR/hdfs/files/acme/$id.json") == '{"a": 1}' ]]
    [[ $(find "$BATS_FILE_TMPDIR/hdfs/files/acme" -type f | wc -l) == 1 ]]
    run -0 dist-admin destination check files
}

@test "a thousand reports are a thousand files, though the namenode is killed in the middle" {
    hdfs_start
    folder lots '{"retry_policy": {"max_attempts": 20, "max_backoff": "500ms"}}'
    stream lots 1000 3>&- 4>&- &
    local pipe=$!
    wait_until 20 bash -c "[[ \$(find '$BATS_FILE_TMPDIR/hdfs/lots' -name '*.json' | wc -l) -gt 200 ]]"
    run ! process_gone "$pipe"
    end_server hdfs -KILL
    hdfs_start "${ports[@]}"
    wait "$pipe"
    diff <(seq 1 1000) <(arrived "$BATS_FILE_TMPDIR/hdfs/lots" .json)
    [[ ! $(find "$BATS_FILE_TMPDIR/hdfs/lots" -name '*.tmp') ]]
}

@test "the policy of each is explained by the words of its protocol" {
    run -0 dist-deliver --explain-policy
    [[ $output == *'S3, by error code or HTTP status'* && $output == *'HDFS, by exception or HTTP status'* ]]
    grep -Eq '^SlowDown +deferred +SlowDown +overload' <<<"$output"
    grep -Eq '^StandbyException +deferred' <<<"$output"
    grep -Eq '^200 to 299 +delivered' <<<"$output"
}
