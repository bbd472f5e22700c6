#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# Mail against aiosmtpd: what arrives, as Python's parser reads it, what each refusal becomes, and a restart

bats_require_minimum_version 1.5.0
load lib/common

# Debian's, which has Debian's modules
python=/usr/bin/python3

is_installed() {
    "$python" -c 'import aiosmtpd' 2>/dev/null
}

setup_file() {
    is_installed || return 0
    export DIST_BREAKER_RECOVERY=500ms
    sandbox_up redis postgres
    tenant acme
    certificates
    # one that asks for a login after STARTTLS, one of TLS from the first byte, one that is open and takes little
    server_start secure --tls starttls "${files[@]}" --user reports --password hunter2
    server_start implicit --tls implicit "${files[@]}"
    server_start open --size 20000
    (umask 077 && echo hunter2 >"$DIST_CONFIG_DIR/credentials.d/mail" && echo wrong-pass-word >"$DIST_CONFIG_DIR/credentials.d/wrong")
    secure_destination many '{"concurrency": 100, "report": "attachment",
        "retry_policy": {"max_attempts": 1000, "max_backoff": "500ms"}}'
    services_start
}

teardown_file() {
    is_installed || return 0
    services_stop
    for name in secure implicit open; do
        server_stop "$name"
    done
    sandbox_down
}

setup() {
    is_installed || skip 'python3-aiosmtpd is not installed'
    rm -f "$BATS_FILE_TMPDIR"/mail/*/maildir/new/*
}

# An authority and a server's certificate for 127.0.0.1; `files` are the server's options for it.
certificates() {
    local folder=$BATS_FILE_TMPDIR/tls
    mkdir -p "$folder"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=authority \
        -keyout "$folder/ca.key" -out "$folder/ca.crt" 2>/dev/null
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=server \
        -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -addext basicConstraints=CA:FALSE \
        -addext subjectAltName=IP:127.0.0.1,DNS:mail.test -keyout "$folder/server.key" -out "$folder/server.crt" 2>/dev/null
    files=(--cert "$folder/server.crt" --key "$folder/server.key")
}

# A port that was free a moment ago.
free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)) && (exec 4<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        :
    done
    echo "$port"
}

mail_folder() {
    echo "$BATS_FILE_TMPDIR/mail/$1"
}

# server_start NAME [OPTION...]: of tests/peers/smtp/server.py, at a free port
server_start() {
    local folder
    folder=$(mail_folder "$1")
    mkdir -p "$folder"
    free_port >"$folder/port"
    printf '%s\n' "${@:2}" >"$folder/options"
    server_run "$1"
}

# server_run NAME: at its port
server_run() {
    local folder options
    folder=$(mail_folder "$1")
    mapfile -t options <"$folder/options"
    rm -f "$folder/ready"
    "$python" "$ROOT/tests/peers/smtp/server.py" "$folder" "$(<"$folder/port")" "${options[@]}" \
        >>"$folder/log" 2>&1 3>&- 4>&- </dev/null &
    echo $! >"$folder/pid"
    disown
    wait_until 20 test -e "$folder/ready"
}

# server_stop NAME [SIGNAL]
server_stop() {
    local pid
    pid=$(<"$(mail_folder "$1")/pid")
    kill -"${2:-TERM}" "$pid" 2>/dev/null || return 0
    wait_until 10 process_gone "$pid"
}

# mails NAME: what that server has taken, a JSON object per mail
mails() {
    "$python" "$ROOT/tests/peers/smtp/read.py" "$(mail_folder "$1")/maildir"
}

# mail_destination NAME SERVER [JSON]: what stands in JSON is merged into the form
mail_destination() {
    destination "$1" "$(jq -cn --argjson port "$(<"$(mail_folder "$2")/port")" --argjson more "${3:-"{}"}" \
        '{protocol: "SMTP", host: "127.0.0.1", port: $port, security: "none", from: "Reports <reports@example.com>",
          to: ["{tenant_id}@example.org"]} * $more')"
}

# secure_destination NAME [JSON]
secure_destination() {
    mail_destination "$1" secure "$(jq -cn --arg ca "$BATS_FILE_TMPDIR/tls/ca.crt" --argjson more "${2:-"{}"}" \
        '{security: "starttls", username: "reports", credentials: "mail", tls: {ca_file: $ca}} * $more')"
}

# once CODE NAME [ARGUMENT...]: one attempt of standard input, whose exit code is held
once() {
    run "-$1" --separate-stderr dist-deliver --once --destination "$2" -t acme -T disk_report "${@:3}"
}

# says FILTER: of the result that was printed
says() {
    jq -e "$1" <<<"$output" >/dev/null || fail "not $1: $output $stderr"
}

completed() {
    sql "select count(*) from distribution_jobs where status = 'completed' and data_type = '$1'"
}

completed_more_than() {
    (($(completed "$1") > $2))
}

@test "a report is the body of a mail, after STARTTLS and a login" {
    secure_destination plain '{"subject": "Grüße: {data_type} für {tenant_id}"}'
    once 0 plain <<<'{"n": "ü"}'
    says '.status == "delivered" and .attempts == 1'
    run -0 --separate-stderr mails secure
    says '.from == "Reports <reports@example.com>" and .to == "acme@example.org" and .recipients == "acme@example.org"
        and .subject == "Grüße: disk_report für acme" and .automatic == "auto-generated" and .defects == []
        and (.message_id | test("^<[0-9a-f-]{36}@example.com>$"))
        and (.parts | length) == 1 and .parts[0].type == "application/json" and .parts[0].text == "{\"n\": \"ü\"}\n"'
}

@test "an attachment arrives byte for byte, with a text in front of it" {
    head -c 200000 /dev/urandom >"$BATS_TEST_TMPDIR/bytes"
    secure_destination attached '{"report": "attachment", "filename": "Übersicht {data_type}.pdf", "text": "Für {tenant_id}:\n.\n"}'
    once 0 attached --content-type application/pdf <"$BATS_TEST_TMPDIR/bytes"
    run -0 --separate-stderr mails secure
    says '(.parts | length) == 2 and .parts[0].text == "Für acme:\n.\n" and .parts[1].type == "application/pdf"
        and .parts[1].filename == "Übersicht disk_report.pdf" and .parts[1].disposition == "attachment"'
    says ".parts[1].sha256 == \"$(sha256sum <"$BATS_TEST_TMPDIR/bytes" | cut -d' ' -f1)\""
}

@test "what the form makes of a report is sent: gzip, CSV, an empty one" {
    mail_destination packed open '{"report": "attachment", "compress": "gzip"}'
    once 0 packed <<<'{"n": 1}'
    run -0 --separate-stderr mails open
    says '.parts[0].type == "application/gzip" and (.parts[0].filename | test("^disk_report-.*\\.json\\.gz$"))'
    rm "$(mail_folder open)"/maildir/new/*
    mail_destination table open '{"format": "csv"}'
    once 0 table <<<'[{"a": 1, "b": "x"}]'
    run -0 --separate-stderr mails open
    says '.parts[0].type == "text/csv" and .parts[0].text == "a,b\n1,x\n"'
    rm "$(mail_folder open)"/maildir/new/*
    mail_destination empty open
    once 0 empty --content-type text/plain </dev/null
    run -0 --separate-stderr mails open
    says '.parts[0].size == 0'
}

@test "TLS from the first byte" {
    mail_destination direct implicit "$(jq -cn --arg ca "$BATS_FILE_TMPDIR/tls/ca.crt" '{security: "tls", tls: {ca_file: $ca}}')"
    once 0 direct <<<'{}'
    [[ $(mails implicit | wc -l) == 1 ]]
}

@test "a wrong password is deferred, and is nowhere to be read" {
    secure_destination stranger '{"credentials": "wrong"}'
    once 75 stranger <<<'{}'
    says '.response_code == 535 and (.error | startswith("AUTH: 535 5.7.8"))'
    [[ $output$stderr != *wrong-pass-word* && $output$stderr != *"$(printf '\0reports\0wrong-pass-word' | base64)"* ]]
    secure_destination nameless '{"username": null}'
    once 78 nameless <<<'{}'
    says '.error | contains("no user name")'
    [[ ! $(mails secure) ]]
}

@test "no STARTTLS, no trust, another name: nothing is sent" {
    mail_destination bare open '{"security": "starttls"}'
    once 75 bare <<<'{}'
    says '.error == "the server offers no STARTTLS"'
    secure_destination trustless
    jq 'del(.tls)' "$DIST_CONFIG_DIR/destinations.d/trustless.json" >"$BATS_TEST_TMPDIR/form"
    destination trustless "$(<"$BATS_TEST_TMPDIR/form")"
    once 75 trustless <<<'{}'
    says '.error | contains("certificate")'
    secure_destination misnamed '{"tls": {"server_name": "other.example.com"}}'
    once 75 misnamed <<<'{}'
    says '.error | contains("other.example.com")'
    secure_destination named '{"tls": {"server_name": "mail.test"}}'
    once 0 named <<<'{}'
    mail_destination loginless implicit "$(jq -cn --arg ca "$BATS_FILE_TMPDIR/tls/ca.crt" \
        '{security: "tls", tls: {ca_file: $ca}, username: "reports", credentials: "mail"}')"
    once 75 loginless <<<'{}'
    says '.error | test("login|authentication")'
    [[ ! $(mails implicit) && ! $(mails open) ]]
}

@test "one recipient that is refused: nobody gets the mail" {
    mail_destination one open '{"to": ["a@example.org", "nobody@example.org"]}'
    once 65 one <<<'{}'
    says '.status == "dead" and .response_code == 550
        and .error == "RCPT TO:<nobody@example.org>: 550 5.1.1 no such user here"'
    mail_destination grey open '{"to": ["later@example.org"]}'
    once 75 grey <<<'{}'
    says '.response_code == 450'
    mail_destination full open '{"to": ["full@example.org"]}'
    once 75 full <<<'{}'
    says '.response_code == 452'
    [[ ! $(mails open) ]]
}

@test "a mail that is larger than the server takes is rejected before it is sent" {
    mail_destination large open
    head -c 30000 /dev/zero >"$BATS_TEST_TMPDIR/large"
    once 65 large --content-type application/octet-stream <"$BATS_TEST_TMPDIR/large"
    says '.response_code == 552 and (.error | startswith("MAIL FROM:<reports@example.com>: 552"))'
}

@test "the address guard looks at the server's address" {
    mail_destination guarded open
    DIST_ALLOW_PRIVATE=0 once 78 guarded <<<'{}'
    says '.status == "dead" and (.error | contains("loopback"))'
    mail_destination guarded open '{"allow_private": true}'
    DIST_ALLOW_PRIVATE=0 once 0 guarded <<<'{}'
}

@test "a check logs in and sends nothing; the policy is explained by the table" {
    secure_destination checked
    run -0 dist-admin destination check --json checked
    jq -e '.name == "checked" and .protocol == "SMTP" and .result == "ok"' <<<"$output"
    secure_destination stranger '{"credentials": "wrong"}'
    run --separate-stderr dist-admin destination check stranger
    ((status != 0))
    [[ $stderr == *'535 5.7.8'* && $stderr != *wrong-pass-word* ]]
    rm "$DIST_CONFIG_DIR/destinations.d/stranger.json"
    [[ ! $(mails secure) ]]
    run -0 dist-deliver --explain-policy checked
    grep -qE '^ *550 +rejected +smtp_550 ' <<<"$output" || fail "$output"
}

@test "the server is killed in the middle of 1000 reports: each arrives" {
    seq 1 1000 | jq -c '{n: .}' | dist-submit --tenant acme --type midst --to many --ndjson --quiet
    wait_until 90 completed_more_than midst 200
    server_stop secure KILL
    (($(completed midst) < 1000)) || fail 'all had arrived before'
    server_run secure
    wait_until 120 is 1000 completed midst
    mails secure >"$BATS_TEST_TMPDIR/mails"
    [[ $(jq -r '.message_id' "$BATS_TEST_TMPDIR/mails" | sort -u | wc -l) == 1000 ]]
    [[ $(jq -r '.parts[0].text' "$BATS_TEST_TMPDIR/mails" | sort -u | wc -l) == 1000 ]]
    # the one whose answer was lost may be there a second time, with the same Message-ID
    again=$(($(wc -l <"$BATS_TEST_TMPDIR/mails") - 1000))
    echo "# $again of 1000 mails again" >&3
    ((again <= 1))
}
