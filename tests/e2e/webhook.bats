#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
#
# Webhooks from end to end: signatures that a receiver's own library verifies, keys in rotation, tokens, keys in
# headers, one trace, and a destination that says to be gone.

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    export DIST_STOP_TIMEOUT=1s
    sandbox_up
    tenant acme
    receiver_launch hooks
    services_start
}

teardown_file() {
    services_stop
    receiver_end hooks
    sandbox_down
}

setup() {
    RECEIVER_URL=$(receiver_url hooks)
    chmod 700 "$DIST_CONFIG_DIR/credentials.d"
    receiver_reset
}

# credential NAME TEXT
credential() {
    (umask 077 && printf '%s\n' "$2" >"$DIST_CONFIG_DIR/credentials.d/$1")
}

reload() {
    kill -HUP "$(service_pid route)" "$(service_pid transform)" "$(service_pid deliver)"
}

# pipe REPORT TO [OPTION...]: the whole of it without a server
pipe() {
    printf '%s' "$1" | dist-submit --pipe --tenant acme --type report --to "$2" "${@:3}" | dist-route | dist-transform | dist-deliver
}

# header NAME PATH [INDEX]: of a request to that path, the last one by default
header() {
    receiver_requests "$2" | jq -rs --arg name "$1" ".[${3:--1}].headers[\$name] // empty"
}

body_file() {
    receiver_requests "$1" | jq -rs --arg dir "$(receiver_bodies hooks)" ".[${2:--1}] | \"\(\$dir)/\(.seq).body\""
}

# verify KEY PATH [HEADERS [BODY]]: whether the receiver's library takes its last request
verify() {
    local headers
    headers=${3:-$(receiver_requests "$2" | jq -cs 'last.headers | with_entries(select(.key | startswith("webhook-")))')}
    node "$ROOT/tests/peers/webhooks/verify.js" "$1" "${4:-$(body_file "$2")}" <<<"$headers"
}

@test "secret new makes a file that only its owner reads, and tells no key" {
    run -0 --separate-stderr dist-admin secret new fresh
    [[ ! $output && $stderr != *whsec_* ]]
    [ "$(stat -c %a "$DIST_CONFIG_DIR/credentials.d/fresh")" = 600 ]
    grep -qE '^whsec_[A-Za-z0-9+/]{32}$' "$DIST_CONFIG_DIR/credentials.d/fresh"
    before=$(<"$DIST_CONFIG_DIR/credentials.d/fresh")
    run -65 --separate-stderr dist-admin secret new fresh
    [[ $stderr == *"'fresh': is there already"* ]]
    [ "$(<"$DIST_CONFIG_DIR/credentials.d/fresh")" = "$before" ]
    [ -z "$(find "$DIST_CONFIG_DIR/credentials.d" -name '.*' -type f)" ]
    run -65 dist-admin secret show-public fresh
    run -65 dist-admin secret new ../fresh
    run -64 dist-admin secret new --scheme rsa other
    run -0 --separate-stderr dist-admin secret new --scheme ed25519 --tenant acme pair
    [[ $output =~ ^whpk_[A-Za-z0-9+/]{43}=$ ]]
    [ "$(dist-admin secret show-public -t acme pair)" = "$output" ]
    [ "$(stat -c %a "$DIST_CONFIG_DIR/credentials.d/acme/pair")" = 600 ]
}

@test "the receiver's library verifies what is sent, and refuses what was changed on the way" {
    needs_peer webhooks
    dist-admin secret new hooks
    rest_destination hook /in/signed '{"signing": {"credentials": "hooks"}}'
    pipe '{"test": 2432232314}' hook >/dev/null
    key=$(<"$DIST_CONFIG_DIR/credentials.d/hooks")
    verify "$key" /in/signed
    headers=$(receiver_requests /in/signed | jq -cs 'last.headers | with_entries(select(.key | startswith("webhook-")))')
    verify "$key" /in/signed "$headers"
    printf '{"test": 2432232315}' >"$BATS_TEST_TMPDIR/other"
    run -1 verify "$key" /in/signed "$headers" "$BATS_TEST_TMPDIR/other"
    [[ $output == *'No matching signature'* ]]
    run -1 verify "$key" /in/signed "$(jq -c '."webhook-id" = "other"' <<<"$headers")"
    run -1 verify "$key" /in/signed "$(jq -c '."webhook-timestamp" |= (tonumber + 1 | tostring)' <<<"$headers")"
    run -1 verify "$(dist-admin secret new stranger 2>/dev/null; cat "$DIST_CONFIG_DIR/credentials.d/stranger")" /in/signed "$headers"
    [ "$(header webhook-id /in/signed)" = "$(header idempotency-key /in/signed)" ]
}

@test "a retry has the same id and trace, and a time and a signature of its own" {
    needs_peer webhooks
    dist-admin secret new again
    rest_destination flaky /in/flaky/status/503/then/in '{"signing": {"credentials": "again"}}'
    pipe '{"n": 1}' flaky --meta traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 >/dev/null
    [ "$(receiver_count /in/flaky)" = 2 ]
    [ "$(header webhook-id /in/flaky 0)" = "$(header webhook-id /in/flaky 1)" ]
    (($(header webhook-timestamp /in/flaky 1) >= $(header webhook-timestamp /in/flaky 0)))
    verify "$(<"$DIST_CONFIG_DIR/credentials.d/again")" /in/flaky
    for index in 0 1; do
        [[ $(header traceparent /in/flaky $index) == 00-4bf92f3577b34da6a3ce929d0e0e4736-* ]]
    done
    [ "$(header traceparent /in/flaky 0)" != "$(header traceparent /in/flaky 1)" ]
}

@test "during a rotation both keys sign, and afterwards the new one alone" {
    needs_peer webhooks
    dist-admin secret new turning
    old=$(<"$DIST_CONFIG_DIR/credentials.d/turning")
    rest_destination turning /in/turning '{"signing": {"credentials": "turning"}}'
    run -0 --separate-stderr dist-admin secret rotate --keep 1h turning
    [[ $output$stderr != *whsec_* ]]
    new=$(head -1 "$DIST_CONFIG_DIR/credentials.d/turning")
    [ "$old" != "$new" ]
    pipe '{}' turning >/dev/null
    verify "$old" /in/turning
    verify "$new" /in/turning
    sed -i 's/ 2.*Z$/ 2020-01-01T00:00:00Z/' "$DIST_CONFIG_DIR/credentials.d/turning"
    pipe '{}' turning >/dev/null
    verify "$new" /in/turning
    run -1 verify "$old" /in/turning
    dist-admin secret rotate turning # what is over goes
    [ "$(grep -c whsec_ "$DIST_CONFIG_DIR/credentials.d/turning")" = 2 ]
    run ! grep -qF "$old" "$DIST_CONFIG_DIR/credentials.d/turning"
}

@test "rotations at once lose no key, read what they write, and leave what is more than keys alone" {
    dist-admin secret new contended 2>/dev/null
    for _ in 1 2 3 4 5 6; do
        dist-admin secret rotate contended 2>/dev/null &
        turns+=($!)
    done
    wait "${turns[@]}"
    [ "$(grep -c whsec_ "$DIST_CONFIG_DIR/credentials.d/contended")" = 7 ]
    # a copy that systemd made is the service's; it is not what is rotated
    mkdir "$BATS_TEST_TMPDIR/copies"
    dist-admin secret new copied 2>/dev/null
    key=$(<"$DIST_CONFIG_DIR/credentials.d/copied")
    (umask 077 && echo "whsec_$(head -c 24 /dev/zero | base64)" >"$BATS_TEST_TMPDIR/copies/copied")
    CREDENTIALS_DIRECTORY=$BATS_TEST_TMPDIR/copies dist-admin secret rotate copied 2>/dev/null
    grep -qF "$key " "$DIST_CONFIG_DIR/credentials.d/copied"
    run ! grep -qF AAAAAAAA "$DIST_CONFIG_DIR/credentials.d/copied"
    for text in "{\"token\": \"$key\", \"username\": \"u\"}" "{\"token\": \"$key\"}"; do
        credential object "$text"
        run -65 --separate-stderr dist-admin secret rotate object
        [[ $stderr == *"credential 'object'"*"object"* && $stderr != *whsec_* ]]
        [ "$(<"$DIST_CONFIG_DIR/credentials.d/object")" = "$text" ]
    done
    run -78 dist-admin secret rotate --tenant nobody hooks
    [ ! -e "$DIST_CONFIG_DIR/credentials.d/nobody" ]
}

@test "what root makes belongs to whom credentials.d belongs, a tenant's new folder too" {
    ((EUID == 0)) || skip "this is not root"
    owner=$(stat -c %u:%g "$DIST_CONFIG_DIR/credentials.d")
    chown 12345:12346 "$DIST_CONFIG_DIR/credentials.d"
    dist-admin secret new --tenant newcomer key 2>/dev/null
    chown "$owner" "$DIST_CONFIG_DIR/credentials.d"
    [ "$(stat -c '%u:%g %a' "$DIST_CONFIG_DIR/credentials.d/newcomer")" = '12345:12346 700' ]
    [ "$(stat -c '%u:%g %a' "$DIST_CONFIG_DIR/credentials.d/newcomer/key")" = '12345:12346 600' ]
}

@test "openssl verifies v1a by the public key that is shown" {
    public=$(dist-admin secret new --scheme ed25519 pair)
    rest_destination pair /in/pair '{"signing": {"credentials": "pair"}}'
    pipe '{"n": 5}' pair >/dev/null
    # SubjectPublicKeyInfo of Ed25519 (RFC 8410) is this prefix and the 32 bytes
    { printf '\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00'; base64 -d <<<"${public#whpk_}"; } >"$BATS_TEST_TMPDIR/public.der"
    signature=$(header webhook-signature /in/pair)
    [[ $signature == v1a,* ]]
    base64 -d <<<"${signature#v1a,}" >"$BATS_TEST_TMPDIR/signature"
    { printf '%s.%s.' "$(header webhook-id /in/pair)" "$(header webhook-timestamp /in/pair)"; cat "$(body_file /in/pair)"; } \
        >"$BATS_TEST_TMPDIR/content"
    openssl pkeyutl -verify -pubin -inkey "$BATS_TEST_TMPDIR/public.der" -keyform DER -rawin \
        -in "$BATS_TEST_TMPDIR/content" -sigfile "$BATS_TEST_TMPDIR/signature"
    printf x >>"$BATS_TEST_TMPDIR/content"
    run -1 openssl pkeyutl -verify -pubin -inkey "$BATS_TEST_TMPDIR/public.der" -keyform DER -rawin \
        -in "$BATS_TEST_TMPDIR/content" -sigfile "$BATS_TEST_TMPDIR/signature"
}

@test "keys that cannot be read or are none are found before a delivery needs them, and are not told" {
    rest_destination unsigned /in/unsigned '{"signing": {"credentials": "absent"}}'
    run -78 --separate-stderr dist-admin destination check unsigned
    [[ $stderr == *"signing: credential 'absent': there is no such file"* ]]
    credential absent hunter2
    run -78 --separate-stderr dist-admin destination check unsigned
    [[ $stderr == *"line 1: a key that begins with whsec_ or whsk_ is wanted"* && $stderr != *hunter2* ]]
    rm "$DIST_CONFIG_DIR/destinations.d/unsigned.json"
}

@test "credentials that lack what is wanted hold the delivery, spend no attempt, and are told by a check" {
    credential lacking '{"username": "u"}'
    rest_destination lacking /in/lacking '{"credentials": "lacking", "auth": {"scheme": "bearer"}}'
    credential over "whsec_$(head -c 24 /dev/zero | base64) 2020-01-01T00:00:00Z"
    rest_destination over /in/over '{"signing": {"credentials": "over"}}'
    reload
    run -78 --separate-stderr dist-admin destination check lacking
    [[ $stderr == *"auth: the credentials have no 'token'"* ]]
    run -78 --separate-stderr dist-admin destination check over
    [[ $stderr == *"the time of every key is over"* ]]
    for name in lacking over; do
        echo '{}' | dist-submit --tenant acme --type report --to "$name"
        wait_until 15 is 1 held_deliveries "$name"
        run -1 --separate-stderr pipe '{}' "$name"
        [ "$(jq -r .status <<<"$output")" = dead ]
    done
    [ "$(receiver_count /in/lacking)$(receiver_count /in/over)" = 00 ]
}

# held_deliveries DESTINATION: that wait, with the reason, for no attempt was made
held_deliveries() {
    sql "select count(*) from distribution_deliveries where destination = '$1' and status = 'waiting' and attempts = 0
        and (last_error like '%no ''token''%' or last_error like '%every key is over%') and due_at > now() + interval '20s'"
}

@test "an API key goes into its header, and a token by OAuth2 into every request" {
    credential key s3cret-key
    rest_destination keyed /in/keyed '{"credentials": "key", "auth": {"scheme": "api_key", "header": "X-API-Key"}}'
    pipe '{}' keyed >/dev/null
    [ "$(header x-api-key /in/keyed)" = s3cret-key ]
    token='{"access_token": "opaque", "token_type": "Bearer", "expires_in": 600}'
    credential client '{"client_id": "dist", "client_secret": "hunter2"}'
    rest_destination tokened /in/tokened "$(jq -cn --arg url "$RECEIVER_URL/in/token/body/$(jq -rn --arg text "$token" '$text | @uri')" \
        '{credentials: "client", allow_private: true, auth: {scheme: "oauth2", token_url: $url, scope: "reports"}}')"
    dist-admin destination check tokened
    [ "$(receiver_count /in/token/)" = 1 ]
    jq -nc 'range(20) | {distribution_id: "token-\(.)", tenant_id: "acme", data_type: "report", payload: {n: .},
        destinations: [{name: "tokened"}]}' | dist-submit --pipe --request --ndjson | dist-route | dist-transform | dist-deliver >/dev/null
    [ "$(receiver_distinct /in/tokened)" = 20 ]
    [ "$(receiver_count /in/token/)" = 2 ] # one by each process
    [ "$(header authorization /in/tokened)" = 'Bearer opaque' ]
    [[ $(cat "$(body_file /in/token/)") == 'grant_type=client_credentials&scope=reports' ]]
}

@test "a destination that answers 410 is held for everybody until an operator lifts it; its deliveries wait" {
    rest_destination leaver /in/leaver/status/410 '{"retry_policy": {"max_backoff": "100ms"}}'
    reload
    ids=$(for n in 1 2 3 4 5 6 7 8; do echo "{\"n\": $n}" | dist-submit --tenant acme --type report --to leaver; done)
    wait_until 15 held leaver
    sleep 0.5 # what was in flight
    sent=$(receiver_count /in/leaver)
    ((sent >= 1 && sent <= 8))
    sleep 1
    [ "$(receiver_count /in/leaver)" = "$sent" ]
    [ "$(sql "select count(*) from distribution_deliveries where destination = 'leaver' and status in ('waiting', 'queued')")" = 8 ]
    run -0 dist-status why "$(head -1 <<<"$ids")"
    [[ $output == *'leaver answered that it is gone'*'dist-admin destination resume'* ]]
    rest_destination leaver /in/back
    reload
    sleep 0.5
    [ "$(receiver_count /in/back)" = 0 ] # a new form does not lift it
    dist-admin destination resume leaver
    wait_until 20 is 0 open_leavers
    [ "$(receiver_distinct /in/back)" = 8 ]
    run -65 --separate-stderr dist-admin destination resume leaver
    [[ $stderr == *"'leaver' is not disabled"* ]]
    dist-admin audit
}

held() {
    dist-status --queues --json | jq -e --arg name "$1" '.held[] | select(.destination == $name and .state == "gone")' >/dev/null
}

open_leavers() {
    sql "select count(*) from distribution_deliveries where destination = 'leaver' and status <> 'delivered'"
}

@test "on_gone reject and a pipe make dead letters of what meets a 410" {
    rest_destination rejecter /in/rejecter/status/410 '{"on_gone": "reject"}'
    rest_destination piped /in/piped/status/410
    reload
    echo '{}' | dist-submit --tenant acme --type report --to rejecter
    wait_until 15 is dead delivery_status rejecter
    run ! held rejecter
    run -1 pipe '{}' piped
    [[ $output == *'HTTP 410 Gone'* ]]
    [ "$(receiver_count /in/piped)" = 1 ]
}

delivery_status() {
    sql "select status from distribution_deliveries where destination = '$1'"
}
