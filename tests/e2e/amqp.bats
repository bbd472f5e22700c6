#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# AMQP against a RabbitMQ: what arrives, what each refusal becomes, and that nothing is lost when it dies or is full

bats_require_minimum_version 1.5.0
load lib/common

mailbox=$DIST_BUILD/tests/mailbox/mailbox

setup_file() {
    [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]] || return 0
    export DIST_BREAKER_RECOVERY=500ms
    sandbox_up redis postgres
    tenant acme
    certificates
    broker_settings
    sandbox_up rabbitmq
    mail exchange reports
    mail exchange inner internal
    mail queue all reports 'report.#'
    mail queue small reports 'small.#' 1
    mail queue many reports 'many.#'
    standard_destinations
    services_start
}

teardown_file() {
    [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]] || return 0
    services_stop
    sandbox_down
}

setup() {
    [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]] || skip 'rabbitmq-server is not installed'
    mail take all >/dev/null
}

# An authority, a server's certificate for 127.0.0.1 and a client's.
certificates() {
    local name folder=$BATS_FILE_TMPDIR/tls
    mkdir -p "$folder"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=authority \
        -keyout "$folder/ca.key" -out "$folder/ca.crt" 2>/dev/null
    for name in server client; do
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
            -keyout "$folder/$name.key" -out "$folder/$name.csr" 2>/dev/null
        openssl x509 -req -in "$folder/$name.csr" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -CAcreateserial \
            -days 1 -extfile <(echo 'subjectAltName = IP:127.0.0.1, DNS:localhost') -out "$folder/$name.crt" 2>/dev/null
    done
}

# A port that was free a moment ago.
free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)) && (exec 4<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        :
    done
    echo "$port"
}

broker_settings() {
    local folder=$BATS_FILE_TMPDIR/tls port
    port=$(free_port)
    mkdir -p "$BATS_FILE_TMPDIR/sb/rabbitmq"
    echo "$port" >"$BATS_FILE_TMPDIR/tls/port"
    cat >"$BATS_FILE_TMPDIR/sb/rabbitmq/rabbitmq.conf" <<CONF
listeners.ssl.1 = 127.0.0.1:$port
ssl_options.cacertfile = $folder/ca.crt
ssl_options.certfile = $folder/server.crt
ssl_options.keyfile = $folder/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
max_message_size = 1000000
CONF
}

amqp_port() {
    [[ $AMQP_URL =~ :([0-9]+)/ ]] && echo "${BASH_REMATCH[1]}"
}

# mail COMMAND ARGUMENT...: see tests/mailbox/mailbox.c
mail() {
    "$mailbox" "$(amqp_port)" "$@"
}

# ctl ARGUMENT...: rabbitmqctl of this file's broker; the one in PATH wants to be the user rabbitmq
ctl() {
    local amqp_port epmd_port base=$BATS_FILE_TMPDIR/sb/rabbitmq
    read -r amqp_port _ epmd_port <"$base/ports"
    env HOME="$base" ERL_EPMD_PORT="$epmd_port" RABBITMQ_CONF_ENV_FILE="$base/empty.conf" \
        /usr/lib/rabbitmq/bin/rabbitmqctl -q -n "dist-$amqp_port@localhost" "$@" 3>&- 4>&-
}

# queue_destination NAME [JSON]: what stands in JSON is merged into the form
queue_destination() {
    destination "$1" "$(jq -cn --argjson port "$(amqp_port)" --argjson more "${2:-"{}"}" \
        '{protocol: "AMQP", connection: {host: "127.0.0.1", port: $port, vhost: "/",
          credentials: {username: "guest", password: "{secret}"}}, exchange: "reports",
          routing_key: "report.{tenant_id}", delivery_mode: 2, credentials: "guest"} * $more')"
}

standard_destinations() {
    local name
    for name in guest wrong-pass-word; do
        (umask 077 && echo "$name" >"$DIST_CONFIG_DIR/credentials.d/$name")
    done
    queue_destination plain
    queue_destination many '{"routing_key": "many.{tenant_id}", "concurrency": 200,
        "retry_policy": {"max_attempts": 1000, "max_backoff": "500ms"}}'
}

# once CODE NAME [ARGUMENT...]: one attempt of standard input, whose exit code is held
once() {
    run "-$1" --separate-stderr dist-deliver --once --destination "$2" -t acme -T disk_report "${@:3}"
}

# says FILTER: of the result that was printed
says() {
    jq -e "$1" <<<"$output" >/dev/null || fail "not $1: $output $stderr"
}

# tls_destination NAME JSON: over the broker's TLS port
tls_destination() {
    queue_destination "$1" "$(jq -cn --argjson port "$(<"$BATS_FILE_TMPDIR/tls/port")" --argjson more "$2" \
        '{connection: {scheme: "amqps", port: $port}} * $more')"
}

# bulk COUNT TYPE TO: so many small reports
bulk() {
    seq 1 "$1" | jq -c '{n: .}' | dist-submit --tenant acme --type "$2" --to "$3" --ndjson --quiet
}

completed() {
    sql "select count(*) from distribution_jobs where status = 'completed' and data_type = '$1'"
}

completed_more_than() {
    (($(completed "$1") > $2))
}

# arrived_once NUMBER FILE [MOST]: each of so many messages is there, and at most so many of them again (0)
arrived_once() {
    local all distinct
    all=$(wc -l <"$2")
    distinct=$(jq -r .message_id "$2" | sort -u | wc -l)
    echo "# $distinct of $1 messages, $((all - distinct)) of them again" >&3
    [[ $distinct == "$1" ]] || fail "$distinct messages of $1"
    [[ $(jq -r .body "$2" | sort -u | wc -l) == "$1" ]]
    ((all - distinct <= ${3:-0}))
}

@test "a report arrives as it is, persistent, with the properties that name it" {
    queue_destination named '{"headers": {"x-tenant": "{tenant_id}", "x-day": "{date}", "x-fixed": "a{{b"}}'
    once 0 named <<<'{"n":  1.50}'
    says '.status == "delivered" and .attempts == 1'
    run -0 mail take all
    jq -e --argjson sent "${lines[0]}" --argjson result "$(jq -c . <<<"$output")" -n '
        $sent.body == "{\"n\":  1.50}\n" and $sent.routing_key == "report.acme" and $sent.delivery_mode == 2
        and $sent.content_type == "application/json" and $sent.type == "disk_report"
        and ($sent.message_id | length) == 36 and ($sent.correlation_id | length) == 36
        and (now - $sent.timestamp | fabs) < 60
        and $sent.headers["x-tenant"] == "acme" and $sent.headers["x-fixed"] == "a{b"
        and ($sent.headers["x-day"] | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))' || fail "$output"
}

@test "what the form says of content type, delivery mode and credentials is so; format and compression are told" {
    echo '{"username": "guest", "password": "guest"}' >"$DIST_CONFIG_DIR/credentials.d/pair"
    chmod 600 "$DIST_CONFIG_DIR/credentials.d/pair"
    queue_destination other '{"content_type": "text/x-report", "delivery_mode": 1, "compress": "gzip",
        "credentials": "pair", "connection": {"credentials": {"username": "{username}"}, "heartbeat": 10}}'
    once 0 other <<<'{}'
    run -0 mail take all
    says '.content_type == "text/x-report" and .delivery_mode == 1 and .content_encoding == "gzip"'
}

@test "a body of many frames arrives whole, and an empty one too" {
    head -c 700000 /dev/zero >"$BATS_TEST_TMPDIR/large"
    once 0 plain --content-type application/octet-stream <"$BATS_TEST_TMPDIR/large"
    once 0 plain --content-type application/octet-stream </dev/null
    run -0 mail take all
    [[ $(jq -r .size <<<"$output") == $'700000\n0' ]]
}

@test "each refusal has its outcome" {
    queue_destination unbound '{"routing_key": "nobody.{tenant_id}"}'
    once 65 unbound <<<'{}'
    says '.status == "dead" and .response_code == 312 and (.error | contains("NO_ROUTE"))'
    queue_destination careless '{"routing_key": "nobody.{tenant_id}", "mandatory": false}'
    once 0 careless <<<'{}'
    queue_destination nowhere '{"exchange": "nowhere"}'
    once 75 nowhere <<<'{}'
    says '.response_code == 404 and (.error | contains("no exchange '"'nowhere'"'"))'
    queue_destination inner '{"exchange": "inner"}'
    once 75 inner <<<'{}'
    says '.response_code == 403 and (.error | contains("ACCESS_REFUSED"))'
    queue_destination elsewhere '{"connection": {"vhost": "/zenia"}}'
    once 75 elsewhere <<<'{}'
    says '.response_code == 530 and (.error | contains("/zenia"))'
    head -c 1000001 /dev/zero >"$BATS_TEST_TMPDIR/large"
    once 65 plain --content-type application/octet-stream <"$BATS_TEST_TMPDIR/large"
    says '.response_code == 406 and (.error | contains("message size"))'
    queue_destination long '{"routing_key": "{distribution_id}.'"$(printf '%0230d' 0)"'"}'
    once 78 long <<<'{}'
    says '.status == "dead" and (.error | contains("routing_key"))'
    [[ ! $(mail take all) ]]
}

@test "a wrong password is deferred, and is nowhere to be read" {
    queue_destination stranger '{"credentials": "wrong-pass-word"}'
    once 75 stranger <<<'{}'
    says '.response_code == 403 and (.error | contains("Login was refused"))'
    [[ $output$stderr != *wrong-pass-word* ]]
    queue_destination nobody
    jq 'del(.credentials)' "$DIST_CONFIG_DIR/destinations.d/nobody.json" >"$BATS_TEST_TMPDIR/form"
    destination nobody "$(<"$BATS_TEST_TMPDIR/form")"
    once 78 nobody <<<'{}'
    says '.error | contains("no password")'
}

@test "a queue that is full: not taken, and deferred" {
    queue_destination small '{"routing_key": "small.{tenant_id}"}'
    once 0 small <<<'{}'
    once 75 small <<<'{}'
    says '.status == "waiting" and (.error | contains("a queue is full"))'
}

@test "amqps: own authority, client certificate, and the name is looked at" {
    local folder=$BATS_FILE_TMPDIR/tls files
    files=$(jq -cn --arg f "$folder" '{ca_file: "\($f)/ca.crt", cert_file: "\($f)/client.crt", key_file: "\($f)/client.key"}')
    tls_destination secure "{\"tls\": $files}"
    once 0 secure <<<'{}'
    [[ $(mail take all | wc -l) == 1 ]]
    tls_destination named "$(jq -c '{tls: (. + {server_name: "other.example.com"})}' <<<"$files")"
    once 75 named <<<'{}'
    says '.error | contains("certificate is refused")'
    tls_destination anonymous "$(jq -c '{tls: {ca_file: .ca_file}}' <<<"$files")"
    once 75 anonymous <<<'{}'
    says '.error | test("TLS|closed")'
    tls_destination trustless '{}'
    once 75 trustless <<<'{}'
    says '.error | contains("certificate is refused")'
    queue_destination plainly '{"connection": {"scheme": "amqps"}}'
    once 75 plainly <<<'{}'
    says '.error | contains("does not speak TLS")'
    [[ ! $(mail take all) ]]
}

@test "the address guard looks at the broker's address" {
    DIST_ALLOW_PRIVATE=0 once 78 plain <<<'{}'
    says '.status == "dead" and (.error | contains("loopback"))'
    queue_destination allowed '{"allow_private": true}'
    DIST_ALLOW_PRIVATE=0 once 0 allowed <<<'{}'
}

@test "a check connects, logs in and looks for the exchange; no message is sent" {
    run -0 dist-admin destination check --json plain
    jq -e '.name == "plain" and .protocol == "AMQP" and .result == "ok"' <<<"$output"
    queue_destination nowhere '{"exchange": "nowhere"}'
    run --separate-stderr dist-admin destination check nowhere
    ((status != 0))
    [[ $stderr == *"no exchange 'nowhere'"* ]]
    queue_destination stranger '{"credentials": "wrong-pass-word"}'
    run --separate-stderr dist-admin destination check stranger
    ((status != 0))
    [[ $stderr == *"Login was refused"* && $stderr != *wrong-pass-word* ]]
    rm "$DIST_CONFIG_DIR"/destinations.d/{nowhere,stranger}.json
    [[ ! $(mail take all) ]]
}

@test "the policy is explained by the table" {
    run -0 dist-deliver --explain-policy plain
    grep -qE '^ *312 +rejected +amqp_312 ' <<<"$output" || fail "$output"
    grep -qE '^ *- +deferred +blocked ' <<<"$output"
}

@test "one message that is too large takes no other with it" {
    local large
    large=$(head -c 1000001 /dev/zero | tr '\0' x)
    { for n in $(seq 30); do echo "{\"n\": $n}"; done; echo "{\"n\": 0, \"large\": \"$large\"}"
      for n in $(seq 31 60); do echo "{\"n\": $n}"; done; } |
        dist-submit --tenant acme --type mixed --to many --ndjson --quiet
    wait_until 60 is 60 completed mixed
    wait_until 60 is 'failed|rejected|406' sql "select j.status, a.status, a.response_status_code from distribution_jobs j
        join distribution_attempts a on a.distribution_job_id = j.id
        where j.data_type = 'mixed' and j.status <> 'completed' order by a.attempt_number desc limit 1"
    mail take many >"$BATS_TEST_TMPDIR/mail"
    arrived_once 60 "$BATS_TEST_TMPDIR/mail" 60 # with the large one the channel is closed, and what was not confirmed
}

@test "the broker is killed in the middle of 5000 reports: each arrives" {
    bulk 5000 midst many 3>&- &
    local bulk=$!
    wait_until 60 completed_more_than midst 500
    sandbox down --kill rabbitmq
    (($(completed midst) < 5000)) || fail 'all had arrived before'
    sandbox up rabbitmq
    wait "$bulk"
    wait_until 120 is 5000 completed midst
    mail take many >"$BATS_TEST_TMPDIR/mail"
    arrived_once 5000 "$BATS_TEST_TMPDIR/mail" 200 # the concurrency: what was not confirmed yet
}

@test "short of memory: the broker blocks, reports wait and are not lost" {
    ctl set_vm_memory_high_watermark 0
    bulk 200 alarm many
    wait_until 30 grep -q 'the broker takes nothing for now' "$(service_log deliver)"
    (($(completed alarm) < 200))
    ctl set_vm_memory_high_watermark 0.6
    wait_until 60 is 200 completed alarm
    mail take many >"$BATS_TEST_TMPDIR/mail"
    arrived_once 200 "$BATS_TEST_TMPDIR/mail" 200 # what the broker had not read yet it may take afterwards
}
