#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
#
# file and exec as people call them, without any server.

bats_require_minimum_version 1.5.0
load lib/common

setup() {
    config_fresh
}

# once EXIT DESTINATION: standard input is the body
once() {
    run "-$1" --separate-stderr dist-deliver --once --tenant acme --type report -d "$2"
}

says() {
    jq -e "$1" <<<"$output"
}

@test "folders are made, files are given away, and a check says who may not" {
    local root=$BATS_TEST_TMPDIR/out
    mkdir "$root"
    destination drop "$(jq -cn --arg root "$root" '{protocol: "file", path: "\($root)/{tenant_id}/{data_type}.json",
        sync: "file", make_folders: true, folder_mode: "0711", mode: "0604"}')"
    run -0 dist-admin destination check drop
    once 0 drop <<<'{"a": 1}'
    [ "$(cat "$root/acme/report.json")" = '{"a": 1}' ]
    [ "$(stat -c %a "$root/acme" "$root/acme/report.json" | xargs)" = '711 604' ]
    destination drop "$(jq -cn --arg root "$root" '{protocol: "file", path: "\($root)/x", owner: "no-such-user"}')"
    run -78 --separate-stderr dist-admin destination check drop
    [[ $stderr == *"drop: owner: there is no user 'no-such-user' on this host"* ]]
    once 75 drop <<<'{}'
    says '.error | contains("no-such-user")'
    if ((EUID == 0)); then
        destination drop "$(jq -cn --arg root "$root" '{protocol: "file", path: "\($root)/x", owner: "nobody", group: "nogroup"}')"
        run -0 dist-admin destination check drop
        once 0 drop <<<'{}'
        [ "$(stat -c %U:%G "$root/x")" = nobody:nogroup ]
    fi
}

@test "a command says on descriptor 3 how it went" {
    cat >"$BATS_TEST_TMPDIR/say" <<'SCRIPT'
#!/bin/sh
cat >/dev/null
printf '%s' "$SAY" >&3
SCRIPT
    chmod +x "$BATS_TEST_TMPDIR/say"
    saying() {
        destination say "$(jq -cn --arg program "$BATS_TEST_TMPDIR/say" --arg say "${1//\{/\{\{}" \
            '{protocol: "exec", command: [$program], environment: {SAY: $say}}')"
    }
    saying '{"outcome": "delivered", "code": 250}'
    once 0 say <<<'{}'
    saying '{"outcome": "deferred", "reason": "locked", "retry_after": "2m", "text": "the mailbox is in use"}'
    once 75 say <<<'{}'
    says '.error == "locked: the mailbox is in use"'
    saying '{"outcome": "rejected", "code": 550}'
    once 65 say <<<'{}'
    saying 'nonsense'
    once 0 say <<<'{}'
    run -0 dist-deliver --explain-policy say
    [[ $output == *said_deferred* && $output == *said_rejected* ]]
}

@test "a command is held to its limits and its folder" {
    local place=$BATS_TEST_TMPDIR/place
    mkdir "$place"
    destination run "$(jq -cn --arg place "$place" '{protocol: "exec", folder: $place, umask: "0027",
        limits: {file_size: 10000, processes: 500}, command: ["/bin/sh", "-c", "cat >body; exec head -c 20000 /dev/zero >large"]}')"
    run -0 dist-admin destination check run
    once 75 run <<<'{"x": 1}'
    [ "$(cat "$place/body")" = '{"x": 1}' ]
    [ "$(stat -c %a "$place/body")" = 640 ]
    (($(stat -c %s "$place/large") <= 10000))
    rm -r "$place"
    run -78 --separate-stderr dist-admin destination check run
    [[ $stderr == *"run: folder: $place: No such file or directory"* ]]
}
