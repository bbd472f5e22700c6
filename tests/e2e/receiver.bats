#!/usr/bin/env bats
#
# The test receiver does what its paths say, and its record can be trusted.

bats_require_minimum_version 1.5.0

setup_file() {
    ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    export RECEIVER=${DIST_RECEIVER:-$ROOT/build/default/tests/receiver/dist-receiver}
    export RECORD=$BATS_FILE_TMPDIR/record.ndjson BODIES=$BATS_FILE_TMPDIR/bodies
    mkdir "$BODIES"
    start_receiver
}

teardown_file() {
    stop_receiver TERM
}

setup() {
    load_url
    curl -fsS -X POST "$url/_/reset"
}

start_receiver() {
    rm -f "$BATS_FILE_TMPDIR/port"
    "$RECEIVER" --quiet --port-file "$BATS_FILE_TMPDIR/port" --record "$RECORD" --bodies "$BODIES" \
        2>"$BATS_FILE_TMPDIR/log" 3>&- & disown
    echo $! >"$BATS_FILE_TMPDIR/pid"
    local deadline=$((SECONDS + 10))
    until [[ -s $BATS_FILE_TMPDIR/port ]]; do
        ((SECONDS < deadline)) || { cat "$BATS_FILE_TMPDIR/log"; return 1; }
        read -rt 0.02 <> <(:) || true
    done
}

# stop_receiver SIGNAL: its exit status
stop_receiver() {
    local pid deadline=$((SECONDS + 10))
    pid=$(<"$BATS_FILE_TMPDIR/pid")
    kill -"$1" "$pid"
    while kill -0 "$pid" 2>/dev/null && [[ $(ps -o stat= -p "$pid") != Z* ]]; do
        ((SECONDS < deadline)) || return 1
        read -rt 0.02 <> <(:) || true
    done
}

load_url() {
    url=http://127.0.0.1:$(<"$BATS_FILE_TMPDIR/port")
}

status_of() {
    curl -sS -o /dev/null -w '%{http_code}' "$@"
}

# raw TEXT: sends these bytes on a connection of their own and prints what comes back
raw() {
    local connection
    exec {connection}<>"/dev/tcp/127.0.0.1/${url##*:}"
    printf '%b' "$1" >&"$connection"
    timeout 5 cat <&"$connection"
    exec {connection}>&-
}

@test "a name is answered 200 ok" {
    run -0 curl -fsS "$url/in/anything"
    [[ $output == ok ]]
}

@test "/status answers with that status, and so does the number alone" {
    [[ $(status_of "$url/status/503") == 503 ]]
    [[ $(status_of "$url/ctx/429") == 429 ]]
    [[ $(status_of "$url/status/204") == 204 ]]
}

@test "a mistake in a path is a 400 that names it" {
    run -0 curl -sS -w ' %{http_code}' "$url/status/abc"
    [[ $output == *"/status: wrong or missing argument"*400 ]]
    [[ $(status_of "$url/delay") == 400 ]]
    [[ $(status_of "$url/fail/x/503") == 400 ]]
    [[ $(status_of "$url/body/%zz") == 400 ]]
    [[ $(status_of "$url/retry-after/1%0d%0aX:y") == 400 ]]
}

@test "/delay waits before the head" {
    run -0 curl -sS -o /dev/null -w '%{time_starttransfer}' "$url/delay/300"
    awk -v t="$output" 'BEGIN { exit !(t >= 0.3 && t < 3) }'
}

@test "/retry-after adds the header, in seconds or as a date" {
    run -0 curl -sSi "$url/429/retry-after/7"
    [[ $output == *"HTTP/1.1 429 Too Many Requests"* && $output == *$'\nRetry-After: 7\r'* ]]
    run -0 curl -sSi "$url/503/retry-after/Fri%2C%2031%20Dec%202027%2023%3A59%3A59%20GMT"
    [[ $output == *$'\nRetry-After: Fri, 31 Dec 2027 23:59:59 GMT\r'* ]]
}

@test "/hang never answers, and the request is recorded" {
    run -28 curl -sS -m 0.5 -d payload "$url/hang"
    [[ $(curl -fsS "$url/_/count?path=/hang") == 1 ]]
}

@test "/hang-body sends the head and half of the body" {
    run -28 curl -sS -i -m 0.5 "$url/hang-body/body/0123456789"
    [[ $output == *"Content-Length: 10"* && $output == *01234* && $output != *56789* ]]
}

@test "/reset resets and /close closes, after the request was read" {
    run -56 curl -sS -d payload "$url/reset"
    [[ $output == *reset* ]]
    run -52 curl -sS -d payload "$url/close"
    [[ $(curl -fsS "$url/_/count") == 2 ]]
}

@test "/drip sends the body byte by byte" {
    run -0 curl -sS -w ' %{time_total}' "$url/drip/50/body/abcdefgh"
    [[ $output == "abcdefgh "* ]]
    awk -v t="${output#* }" 'BEGIN { exit !(t >= 0.35 && t < 5) }'
}

@test "/wrong-length announces more than it sends" {
    run -18 curl -sS "$url/wrong-length/body/short"
    [[ $output == *short* ]]
}

@test "/big sends a body of that size" {
    run -0 curl -sS -o /dev/null -w '%{size_download}' "$url/big/10000001"
    [[ $output == 10000001 ]]
}

@test "/body and /json answer with a body, /redirect with a place" {
    [[ $(curl -sS "$url/body/hello%20%2F%20world") == 'hello / world' ]]
    run -0 curl -sS -H 'webhook-id: msg_1' -w ' %{content_type}' "$url/status/202/json"
    [[ $output == '{"accepted":true,"report_id":"msg_1"} application/json' ]]
    run -0 curl -sS -o /dev/null -w '%{http_code} %{redirect_url}' "$url/redirect/http%3A%2F%2F127.0.0.1%3A1%2Fx"
    [[ $output == '302 http://127.0.0.1:1/x' ]]
}

@test "HEAD has no body and the connection stays usable" {
    run -0 curl -sSI "$url/body/hello" --next -sS "$url/body/after"
    [[ $output == *"Content-Length: 5"* && $output == *after && $output != *hello* ]]
}

# statuses N ARGUMENT...: the statuses of N requests, one after the other
statuses() {
    local n=$1 i
    shift
    for ((i = 0; i < n; i++)); do
        status_of "$@"
        echo -n ' '
    done
}

@test "/fail fails the first N requests of a path" {
    [[ $(statuses 4 "$url/in/a/fail/2/503/then/200") == '503 503 200 200 ' ]]
    [[ $(statuses 2 "$url/in/b/fail/2/503/then/200") == '503 503 ' ]]
    [[ $(statuses 2 "$url/fail/1/500") == '500 200 ' ]]
}

@test "/fail phases can be chained and hold any segment" {
    [[ $(statuses 5 "$url/fail/2/503/then/fail/1/429/retry-after/1/then/201") == '503 503 429 201 201 ' ]]
    [[ $(statuses 3 "$url/429/then/503/then/202") == '429 503 202 ' ]]
    run -56 curl -sS "$url/fail/1/reset/then/200"
    [[ $(status_of "$url/fail/1/reset/then/200") == 200 ]]
}

@test "/each counts per webhook-id or Idempotency-Key" {
    local path=$url/each/fail/1/503/then/200
    [[ $(statuses 2 -H 'webhook-id: a' "$path") == '503 200 ' ]]
    [[ $(statuses 2 -H 'Idempotency-Key: b' "$path") == '503 200 ' ]]
    [[ $(status_of -H 'webhook-id: a' "$path") == 200 ]]
    [[ $(status_of "$path") == 400 ]]
}

@test "the record holds method, path, headers, size and hash" {
    curl -fsS -d 'hello' -H 'X-Two: a' -H 'X-Two: b' -H $'X-Latin: \xe9' "$url/in/r?q=1"
    run -0 curl -fsS "$url/_/requests?path=/in/r"
    [[ $output == "$(<"$RECORD")" ]]
    local sum
    sum=$(printf hello | sha256sum)
    jq -e --arg sum "${sum%% *}" '.seq == 1 and .method == "POST" and .path == "/in/r?q=1" and .body_size == 5
        and .body_sha256 == $sum and .headers["x-two"] == "a, b" and .headers["x-latin"] == "é"
        and .time > 1.6e12 and .connection > 0' <<<"$output"
    [[ $(<"$BODIES/1.body") == hello ]]
}

@test "requests of one connection carry one connection number" {
    curl -fsS "$url/in/1" --next -fsS "$url/in/2"
    curl -fsS "$url/in/3"
    run -0 jq -s 'map(.connection) | unique | length' "$RECORD"
    [[ $output == 2 ]]
}

@test "chunked bodies and Expect: 100-continue are understood" {
    head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/body"
    curl -fsS -T "$BATS_TEST_TMPDIR/body" -H 'Transfer-Encoding: chunked' "$url/in/chunked"
    run -0 curl -fsSv -H 'Expect: 100-continue' --data-binary @"$BATS_TEST_TMPDIR/body" "$url/in/expect"
    [[ $output == *'100 Continue'* ]]
    local sum
    sum=$(sha256sum <"$BATS_TEST_TMPDIR/body")
    run -0 jq -r .body_sha256 "$RECORD"
    [[ $output == "${sum%% *}"$'\n'"${sum%% *}" ]]
    cmp "$BATS_TEST_TMPDIR/body" "$BODIES/2.body"
}

@test "requests sent ahead are answered in order" {
    run -0 raw 'GET /body/one HTTP/1.1\r\nHost: x\r\n\r\nGET /delay/50/body/two HTTP/1.1\r\nHost: x\r\n\r\nGET /body/three HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
    [[ $output == *one*two*three ]]
}

@test "what HTTP forbids is a 400 and is not recorded" {
    local request
    for request in 'GET /\r\n\r\n' 'GET / HTTP/1.1\r\n\r\n' 'GET / HTTP/1.1\nHost: x\n\n' \
        'GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n' 'GET x HTTP/1.1\r\nHost: x\r\n\r\n' \
        'GET / HTTP/1.1\r\nHost : x\r\n\r\n' 'GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n' \
        'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello' \
        'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello' \
        'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' \
        'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n' \
        'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n' \
        'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n'; do
        run -0 raw "$request"
        [[ $output == 'HTTP/1.1 400 '* ]] || { echo "$request: $output"; return 1; }
    done
    [[ $(curl -fsS "$url/_/count") == 0 ]]
}

@test "a body or a head above the ceiling is refused" {
    run -0 raw 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 67108865\r\n\r\n'
    [[ $output == 'HTTP/1.1 413 '* ]]
    run -0 raw "GET / HTTP/1.1\r\nHost: x\r\nX: $(printf '%070000d' 0)\r\n\r\n"
    [[ $output == 'HTTP/1.1 431 '* ]]
}

@test "count and distinct answer by prefix, and go on counting" {
    local id
    for id in a b a; do
        curl -fsS -H "Idempotency-Key: $id" "$url/in/x"
    done
    curl -fsS -H 'Idempotency-Key: c' "$url/in/y"
    [[ $(curl -fsS "$url/_/count?path=/in/x") == 3 ]]
    [[ $(curl -fsS "$url/_/distinct?header=Idempotency-Key&path=%2Fin%2Fx") == 2 ]]
    [[ $(curl -fsS "$url/_/distinct?header=idempotency-key") == 3 ]]
    curl -fsS -H 'Idempotency-Key: d' "$url/in/x"
    [[ $(curl -fsS "$url/_/count?path=/in/x") == 4 ]]
    [[ $(curl -fsS "$url/_/distinct?header=idempotency-key&path=/in/x") == 3 ]]
}

@test "questions that are not understood are refused" {
    [[ $(curl -fsS "$url/_/ping") == pong ]]
    [[ $(status_of "$url/_/unknown") == 404 ]]
    [[ $(status_of "$url/_/reset") == 405 ]]
    [[ $(status_of "$url/_/count?paht=/in") == 400 ]]
    [[ $(status_of "$url/_/distinct?path=/in") == 400 ]]
}

@test "reset forgets requests, tallies and bodies" {
    [[ $(status_of -d x "$url/fail/1/503") == 503 ]]
    curl -fsS -X POST "$url/_/reset"
    [[ $(curl -fsS "$url/_/count") == 0 && ! -s $RECORD && ! -e $BODIES/1.body ]]
    [[ $(status_of "$url/fail/1/503") == 503 ]]
}

@test "after kill -9 the record is read back, without a line that was cut" {
    curl -fsS -H 'webhook-id: a' "$url/in/1"
    curl -fsS -H 'webhook-id: b' "$url/in/2"
    stop_receiver KILL
    printf '{"seq":3,"pa' >>"$RECORD"
    start_receiver
    load_url
    [[ $(curl -fsS "$url/_/count") == 2 ]]
    [[ $(curl -fsS "$url/_/distinct?header=webhook-id") == 2 ]]
    curl -fsS "$url/in/3"
    run -0 jq -c .seq "$RECORD"
    [[ $output == $'1\n2\n3' ]]
}

@test "SIGTERM ends it with status 0, also while requests hang" {
    "$RECEIVER" --quiet --port-file "$BATS_TEST_TMPDIR/port" 3>&- &
    local pid=$! port deadline=$((SECONDS + 10))
    until [[ -s $BATS_TEST_TMPDIR/port ]]; do
        ((SECONDS < deadline))
        read -rt 0.02 <> <(:) || true
    done
    port=$(<"$BATS_TEST_TMPDIR/port")
    curl -s "http://127.0.0.1:$port/hang" 3>&- &
    deadline=$((SECONDS + 10))
    until [[ $(curl -fsS "http://127.0.0.1:$port/_/count") == 1 ]]; do
        ((SECONDS < deadline))
    done
    kill -TERM "$pid"
    wait "$pid"
}

@test "a mistake in its options is a usage error" {
    run -64 "$RECEIVER" --port 70000
    run -64 "$RECEIVER" --no-such-option
    run -64 "$RECEIVER" argument
    run -71 "$RECEIVER" --record /nonexistent/record
    run -0 "$RECEIVER" --help
    [[ $output == *"/hang-body"* && $output == *"/_/distinct"* ]]
}
