#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# SFTP against OpenSSH: what is written, whose keys are believed, what each refusal becomes, and a restart

bats_require_minimum_version 1.5.0
load lib/common

sshd=/usr/sbin/sshd

setup_file() {
    [[ -x $sshd ]] || return 0
    export DIST_BREAKER_RECOVERY=500ms
    sandbox_up redis postgres
    tenant acme
    keys
    ((EUID)) || mkdir -p /run/sshd # where sshd of root locks itself in
    server_start plain 'internal-sftp'
    server_start readonly 'internal-sftp -R'
    server_start full "/bin/sh -c 'trap \"\" XFSZ; ulimit -f 8; exec /usr/lib/openssh/sftp-server'"
    file_destination many plain '{"path": "'"$(files)"'/many/{delivery_id}.json", "make_folders": true, "concurrency": 100,
        "retry_policy": {"max_attempts": 1000, "max_backoff": "500ms"}}'
    services_start
}

teardown_file() {
    [[ -x $sshd ]] || return 0
    services_stop
    for name in plain readonly full; do
        server_stop "$name"
    done
    sandbox_down
}

setup() {
    [[ -x $sshd ]] || skip 'openssh-server is not installed'
    rm -rf "${BATS_FILE_TMPDIR:?}/files" && mkdir -p "$(files)"
}

files() {
    echo "$BATS_FILE_TMPDIR/files"
}

# The host's keys; a key that is let in, as it is and in a file of members with its passphrase; one that is not.
keys() {
    local folder=$BATS_FILE_TMPDIR/keys credentials=$DIST_CONFIG_DIR/credentials.d
    mkdir -p "$folder"
    ssh-keygen -q -t ecdsa -N '' -f "$folder/host_ecdsa"
    ssh-keygen -q -t ed25519 -N '' -f "$folder/host_ed25519"
    ssh-keygen -q -t ed25519 -N '' -f "$folder/me"
    ssh-keygen -q -t ecdsa -N 'pass phrase' -f "$folder/locked"
    ssh-keygen -q -t ed25519 -N '' -f "$folder/stranger"
    cat "$folder/me.pub" "$folder/locked.pub" >"$folder/authorized"
    (
        umask 077
        cp "$folder/me" "$credentials/key"
        cp "$folder/stranger" "$credentials/stranger"
        jq -n --rawfile key "$folder/locked" --arg user "$(id -un)" \
            '{username: $user, private_key: $key, password: "pass phrase"}' >"$credentials/locked"
        jq -n --rawfile key "$folder/locked" '{private_key: $key, password: "other-phrase"}' >"$credentials/mislocked"
        echo wrong-pass-word >"$credentials/password"
    )
}

# fingerprint NAME: of that key
fingerprint() {
    ssh-keygen -lf "$BATS_FILE_TMPDIR/keys/$1.pub" | cut -d' ' -f2
}

# A port that was free a moment ago.
free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)) && (exec 4<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        :
    done
    echo "$port"
}

server_port() {
    cat "$BATS_FILE_TMPDIR/sshd/$1/port"
}

server_listens() {
    (exec 4<>"/dev/tcp/127.0.0.1/$(server_port "$1")") 2>/dev/null
}

# server_start NAME SUBSYSTEM: at a free port
server_start() {
    local folder=$BATS_FILE_TMPDIR/sshd/$1 keys=$BATS_FILE_TMPDIR/keys
    mkdir -p "$folder"
    free_port >"$folder/port"
    cat >"$folder/conf" <<CONF
ListenAddress 127.0.0.1
HostKey $keys/host_ecdsa
HostKey $keys/host_ed25519
AuthorizedKeysFile $keys/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication yes
MaxStartups 100
Subsystem sftp $2
CONF
    server_run "$1"
}

# server_run NAME: at its port
server_run() {
    local folder=$BATS_FILE_TMPDIR/sshd/$1
    "$sshd" -D -E "$folder/log" -f "$folder/conf" -p "$(<"$folder/port")" 3>&- 4>&- </dev/null &
    echo $! >"$folder/pid"
    disown
    wait_until 20 server_listens "$1"
}

# server_stop NAME: with the sessions that it serves
server_stop() {
    local pid sessions
    pid=$(<"$BATS_FILE_TMPDIR/sshd/$1/pid")
    mapfile -t sessions < <(pgrep -P "$pid")
    kill -KILL "$pid" "${sessions[@]}" 2>/dev/null || return 0
    wait_until 10 process_gone "$pid"
}

# file_destination NAME SERVER [JSON]: what stands in JSON is merged into the form
file_destination() {
    destination "$1" "$(jq -cn --argjson port "$(server_port "$2")" --arg user "$(id -un)" --argjson more "${3:-"{}"}" \
        --arg key "$(fingerprint host_ecdsa)" --arg path "$(files)/{tenant_id}-{data_type}.json" \
        '{protocol: "SFTP", host: "127.0.0.1", port: $port, username: $user, path: $path, host_key: $key,
          credentials: "key"} * $more')"
}

# forgive LIBRARY...: what it does not free itself is not the sanitizers' business
forgive() {
    printf 'leak:%s\n' "$@" >"$BATS_TEST_TMPDIR/forgiven"
    export LSAN_OPTIONS="suppressions=$BATS_TEST_TMPDIR/forgiven:print_suppressions=0"
    export ASAN_OPTIONS="${ASAN_OPTIONS-}:fast_unwind_on_malloc=0"
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

# no_temporary: they are removed when the outcome is told already
no_temporary() {
    [[ ! $(find "$(files)" -name '*.tmp') ]]
}

@test "a report is a file with its bytes, and nothing beside it" {
    file_destination plain plain
    once 0 plain <<<'{"n":  1.50}'
    says '.status == "delivered" and .attempts == 1'
    [[ $(<"$(files)/acme-disk_report.json") == '{"n":  1.50}' ]]
    [[ $(find "$(files)" -type f | wc -l) == 1 ]]
    once 0 plain <<<'{"n":  1.50}' # the same is there
    once 65 plain <<<'{"n":  1.51}'
    says '.status == "dead" and .error == "a file with other content is there"'
    [[ $(<"$(files)/acme-disk_report.json") == '{"n":  1.50}' ]]
    wait_until 5 no_temporary
}

@test "a large body arrives whole, folders are made, the mode is what the form says" {
    head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/bytes"
    file_destination deep plain '{"path": "'"$(files)"'/a b/\"{tenant_id}\"/ü.bin", "make_folders": true, "mode": "0600"}'
    once 0 deep --content-type application/octet-stream <"$BATS_TEST_TMPDIR/bytes"
    cmp "$BATS_TEST_TMPDIR/bytes" "$(files)/a b/\"acme\"/ü.bin"
    [[ $(stat -c %a "$(files)/a b/\"acme\"/ü.bin") == 600 ]]
}

@test "a name as long as the file system allows" {
    local name
    name=$(printf '%0255d' 0)
    file_destination long plain '{"path": "'"$(files)/$name"'"}'
    once 0 long <<<'{}'
    [[ -s $(files)/$name ]]
    file_destination longer plain '{"path": "'"$(files)/${name}0"'"}'
    once 75 longer <<<'{}'
    wait_until 5 no_temporary
}

@test "keys of the host: one of several, a file of known hosts, and none that is not known" {
    file_destination several plain '{"host_key": ["SHA256:'"$(printf '%043d' 0)"'", "'"$(fingerprint host_ecdsa)"'"]}'
    once 0 several <<<'{}'
    file_destination other plain '{"host_key": "'"$(fingerprint me)"'"}'
    once 75 other <<<'{}'
    says ".error | contains(\"$(fingerprint host_ecdsa)\")"
    echo "[127.0.0.1]:$(server_port plain) $(cut -d' ' -f1,2 "$BATS_FILE_TMPDIR/keys/host_ed25519.pub")" >"$BATS_TEST_TMPDIR/known"
    ssh-keygen -q -H -f "$BATS_TEST_TMPDIR/known" 2>/dev/null
    file_destination known plain '{"host_key": null, "known_hosts": "'"$BATS_TEST_TMPDIR"'/known"}'
    once 0 known <<<'{}'
    sed -i 's/.*/example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/' "$BATS_TEST_TMPDIR/known"
    once 75 known <<<'{}'
    says '.error == "the host is not in the file of known hosts"'
}

@test "logins: a key with a passphrase, and what is not let in gives nothing away" {
    forgive libssh2.so # 1.10: some bytes for each key with a passphrase
    file_destination locked plain '{"credentials": "locked", "username": null}'
    once 0 locked <<<'{}'
    for name in mislocked password stranger; do
        file_destination "$name" plain '{"credentials": "'"$name"'"}'
        once 75 "$name" <<<'{}'
        says '.error == "Authentication failure"'
        [[ $output$stderr != *wrong-pass-word* && $output$stderr != *other-phrase* && $output$stderr != *PRIVATE* ]]
    done
    file_destination nobody plain '{"credentials": null}'
    once 78 nobody <<<'{}'
    says '.error | contains("no password and no private key")'
}

@test "a folder that is forbidden, not there, or full: deferred, and nothing is left" {
    forgive libcurl.so libssh2.so # 7.88: a session whose goodbye takes longer than a second
    file_destination forbidden readonly
    once 75 forbidden <<<'{}'
    says '.error | startswith("Upload failed: Permission denied")'
    file_destination nowhere plain '{"path": "'"$(files)"'/no/x"}'
    once 75 nowhere <<<'{}'
    says '.error | startswith("Upload failed: No such file")'
    head -c 100000 /dev/zero >"$BATS_TEST_TMPDIR/large"
    file_destination full full
    once 75 full --content-type application/octet-stream <"$BATS_TEST_TMPDIR/large"
    once 0 full <<<'{}'
    wait_until 5 no_temporary
}

@test "the address guard looks at the host's address" {
    file_destination guarded plain
    DIST_ALLOW_PRIVATE=0 once 78 guarded <<<'{}'
    says '.status == "dead" and (.error | contains("loopback"))'
    file_destination guarded plain '{"allow_private": true}'
    DIST_ALLOW_PRIVATE=0 once 0 guarded <<<'{}'
}

@test "a check logs in and touches nothing; the policy is explained by the table" {
    file_destination checked plain
    run -0 dist-admin destination check --json checked
    jq -e '.name == "checked" and .protocol == "SFTP" and .result == "ok"' <<<"$output"
    [[ ! $(ls -A "$(files)") ]]
    file_destination other plain '{"host_key": "'"$(fingerprint me)"'"}'
    run --separate-stderr dist-admin destination check other
    ((status != 0))
    [[ $stderr == *'the host shows the key'* ]]
    rm "$DIST_CONFIG_DIR/destinations.d/other.json"
    run -0 dist-deliver --explain-policy checked
    grep -qE '^ *permission_denied +deferred +permission_denied ' <<<"$output" || fail "$output"
}

@test "the server is killed in the middle of 1000 reports: each is there, once" {
    seq 1 1000 | jq -c '{n: .}' | dist-submit --tenant acme --type midst --to many --ndjson --quiet
    wait_until 90 completed_more_than midst 200
    server_stop plain
    (($(completed midst) < 1000)) || fail 'all had arrived before'
    server_run plain
    wait_until 120 is 1000 completed midst
    wait_until 5 no_temporary
    [[ $(find "$(files)/many" -type f | wc -l) == 1000 ]]
    [[ $(find "$(files)/many" -type f -exec cat {} + | jq .n | sort -u | wc -l) == 1000 ]]
}
