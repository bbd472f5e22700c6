#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# shellcheck disable=SC2030,SC2031 # every test has a DIST_CONFIG_DIR of its own
#
# The configuration folder, the settings and the surroundings in which a tool starts.

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up postgres
}

teardown_file() {
    sandbox_down
}

setup() {
    config_fresh
}

# modes PATH...: an octal mode a line
modes() {
    stat -c %a "$@"
}

@test "init makes the folder, what belongs into it and a dist.conf that says nothing, whatever the umask" {
    export DIST_CONFIG_DIR=$BATS_TEST_TMPDIR/new
    umask 027
    run -0 --separate-stderr dist-admin init
    [[ $stderr == *"wrote $DIST_CONFIG_DIR/dist.conf"* ]]
    run -0 modes "$DIST_CONFIG_DIR"{,/destinations.d,/credentials.d,/dist.conf}
    [[ $output == $'755\n755\n750\n640' ]]
    run ! grep -v -e '^#' -e '^$' "$DIST_CONFIG_DIR/dist.conf"
    run -0 dist-admin config --check
}

@test "the dist.conf of init has every setting, with its default" {
    local conf=$BATS_TEST_TMPDIR/new/dist.conf name
    DIST_CONFIG_DIR=$BATS_TEST_TMPDIR/new dist-admin init
    for name in $(dist-admin config --json | jq -r .setting); do
        grep -q "^#$name=" "$conf" || fail "$name is missing"
    done
    grep -qx '#DB_HOST=/var/run/postgresql' "$conf"
    grep -qx '#DB_PASSWORD=' "$conf"
    grep -qx '# TLS to PostgreSQL, in libpq.s words: disable, allow, .*, verify-full' "$conf"
    sed -n 's/^#\([A-Z_]*=\)/\1/p' "$conf" >"$DIST_CONFIG_DIR/dist.conf"
    run -0 env -u DB_HOST -u DIST_ALLOW_PRIVATE dist-admin config --json
    diff <(env -u DB_HOST -u DIST_ALLOW_PRIVATE DIST_CONFIG_DIR="$BATS_TEST_TMPDIR/new" dist-admin config --json |
        jq -c '[.setting, .value]') <(jq -c '[.setting, .value]' <<<"$output")
    jq -es 'map(select(.setting == "DB_HOST"))[0].origin | startswith("dist.conf:")' <<<"$output"
}

@test "init leaves what is there as it is" {
    chmod 0700 "$DIST_CONFIG_DIR/destinations.d"
    echo 'DIST_LEASE=90s' >"$DIST_CONFIG_DIR/dist.conf"
    chmod 0600 "$DIST_CONFIG_DIR/dist.conf"
    run -0 --separate-stderr dist-admin init
    [[ $stderr != *wrote* ]]
    run -0 modes "$DIST_CONFIG_DIR/destinations.d" "$DIST_CONFIG_DIR/dist.conf"
    [[ $output == $'700\n600' ]]
    [[ $(cat "$DIST_CONFIG_DIR/dist.conf") == DIST_LEASE=90s ]]
}

@test "the dist.conf of init may be read by the group of credentials.d" {
    ((EUID == 0)) || skip 'needs root to have a second group'
    chgrp 12345 "$DIST_CONFIG_DIR/credentials.d"
    dist-admin init
    [[ $(stat -c '%g %a' "$DIST_CONFIG_DIR/dist.conf") == '12345 640' ]]
}

@test "a DIST_CONFIG_DIR that is not there is a mistake for everything but init" {
    local call
    export DIST_CONFIG_DIR=$BATS_TEST_TMPDIR/absent
    for call in 'dist-submit --pipe -t acme -T t -d x' dist-route dist-transform dist-deliver 'dist-status x' \
        'dist-dlq list' 'dist-admin config' 'dist-admin migrate' 'dist-admin tenant list' \
        'dist-admin destination check'; do
        # shellcheck disable=SC2086 # words
        run -78 --separate-stderr $call <<<'{}'
        [[ ! $output && $stderr == *"DIST_CONFIG_DIR: $DIST_CONFIG_DIR: no such folder" ]] || fail "$call: $stderr"
        [[ ! -e $DIST_CONFIG_DIR ]]
    done
}

@test "the form and the level of messages can be set in dist.conf, and the environment comes first" {
    echo 'DIST_LOG_FORMAT=json' >"$DIST_CONFIG_DIR/dist.conf"
    run -1 --separate-stderr dist-route <<<nonsense
    jq -e '.level == "ERROR" and .component == "route"' <<<"$stderr"
    DIST_LOG_FORMAT=text run -1 --separate-stderr dist-route <<<nonsense
    [[ $stderr == dist-route:* ]]
    echo 'DIST_LOG_FORMAT=journal' >"$DIST_CONFIG_DIR/dist.conf"
    run -1 --separate-stderr dist-route <<<nonsense
    [[ $stderr == '<3>'* ]]
    destination strict '{"protocol": "exec", "command": ["/bin/false"]}'
    (dist-submit --pipe -t acme -T t -d strict <<<'{}' | dist-route | dist-transform) >"$BATS_TEST_TMPDIR/ready"
    run -1 --separate-stderr dist-deliver <"$BATS_TEST_TMPDIR/ready"
    [[ $stderr == *distribution_attempt* ]]
    echo 'DIST_LOG_LEVEL=error' >"$DIST_CONFIG_DIR/dist.conf"
    run -1 --separate-stderr dist-deliver <"$BATS_TEST_TMPDIR/ready"
    [[ $stderr != *distribution_attempt* ]]
}

@test "a systemd credential comes before what the environment and dist.conf say" {
    local folder=$BATS_TEST_TMPDIR/credentials
    mkdir "$folder"
    echo one >"$folder/DB_PASSWORD"
    echo two >"$folder/other"
    echo "DB_PASSWORD_FILE=$folder/other" >"$DIST_CONFIG_DIR/dist.conf"
    CREDENTIALS_DIRECTORY=$folder DB_PASSWORD_FILE=$folder/other run -0 dist-admin config --json
    jq -es --arg file "file $folder/DB_PASSWORD" '
        map(select(.setting == "DB_PASSWORD"))[0] | .value == "(set)" and .origin == $file' <<<"$output"
}

@test "a closed standard output is a failure of every tool, and said" {
    local tool
    for tool in "${tools[@]}"; do
        run -71 --separate-stderr bash -c "$tool >&- </dev/null"
        [[ $stderr == "$tool: standard output is closed" ]] || fail "$tool: $stderr"
        run -71 bash -c "$tool --help >&- 2>&-"
    done
}

@test "a closed standard input is an empty one, and a closed standard error takes nothing down" {
    destination sink '{"protocol": "null"}'
    run -0 --separate-stderr bash -c 'dist-deliver <&-'
    [[ ! $output && ! $stderr ]] || fail "$output $stderr"
    (dist-submit --pipe -t acme -T t -d sink <<<'{}' | dist-route | dist-transform) >"$BATS_TEST_TMPDIR/ready"
    run -0 bash -c 'dist-deliver 2>&-' <"$BATS_TEST_TMPDIR/ready"
    jq -e '.status == "delivered"' <<<"$output"
    run -1 bash -c 'dist-route <<<nonsense 2>&-'
    [[ ! $output ]]
}

@test "what is no regular file in destinations.d is a mistake, and nobody waits for it" {
    local form=$DIST_CONFIG_DIR/destinations.d/odd.json
    mkfifo "$form"
    run -78 --separate-stderr timeout 10 dist-admin destination check
    [[ $stderr == *"$form: is no regular file"* ]]
    run -78 --separate-stderr timeout 10 dist-route <<<'{}'
    rm "$form"
    mkdir "$form"
    run -78 --separate-stderr dist-admin destination check
    [[ $stderr == *"$form: is no regular file"* ]]
    rmdir "$form"
    ln -s /dev/zero "$form"
    run -78 --separate-stderr timeout 10 dist-admin destination check
    [[ $stderr == *"$form: is no regular file"* ]]
    echo '{"protocol": "null"}' >"$BATS_TEST_TMPDIR/elsewhere.json"
    ln -sf "$BATS_TEST_TMPDIR/elsewhere.json" "$form"
    run -0 dist-admin destination check odd
}

@test "destination check takes the name of a group, and checks its members" {
    destination good '{"protocol": "null"}'
    destination bad '{"protocol": "exec", "command": ["/no/such/command"]}'
    destination eu '{"group": ["good", "bad"], "policy": "failover"}'
    destination us '{"group": ["good"], "policy": "failover"}'
    run -0 dist-admin destination check us good
    run -78 --separate-stderr dist-admin destination check eu
    [[ $stderr == *"destinations.d/bad.json: bad: the command /no/such/command cannot be run"* ]]
    [[ $stderr == *"1 of 2 destinations cannot be delivered to"* ]]
    run -78 --separate-stderr dist-admin destination check uss
    [[ $stderr == *"uss: no such destination; did you mean 'us'?"* ]]
}
