#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
#
# dist-admin destination check and new: what is there, what is not, and forms to start with.

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up receiver
}

teardown_file() {
    sandbox_down
}

setup() {
    config_fresh
}

@test "destination check connects and sends nothing" {
    rest_destination hook '/in/checked/{tenant_id}'
    run -0 --separate-stderr dist-admin destination check hook
    [[ $output == *hook*REST*ok* && ! $stderr ]]
    run -0 --separate-stderr dist-admin destination check -j
    jq -e '.name == "hook" and .protocol == "REST" and .result == "ok" and has("error") == false' <<<"$output"
    [[ $(receiver_count /) == 0 ]]
}

@test "what cannot be reached has its row and its reason, and the exit code says how many" {
    rest_destination hook /in/checked
    destination nobody '{"protocol": "REST", "endpoint": "http://127.0.0.1:1/"}'
    run -69 --separate-stderr dist-admin destination check nobody
    [[ $output == *nobody*unavailable* && $stderr == *'nobody: Failed to connect'* ]]
    run -1 --separate-stderr dist-admin destination check --json
    jq -se 'map(.name + " " + .result) == ["hook ok", "nobody unavailable"]' <<<"$output"
    jq -se '.[1].error | startswith("Failed to connect")' <<<"$output"
    [[ $stderr == *'1 of 2 destinations cannot be reached'* ]]
    destination wrong '{"protocol": "exec", "command": ["/no/such/command"]}'
    run -78 dist-admin destination check
    run -78 dist-admin config --check # the mistakes alone
    rm "$DIST_CONFIG_DIR/destinations.d/wrong.json"
    run -0 dist-admin config --check
}

@test "a check meets the address guard and TLS as a delivery does" {
    rest_destination hook /in/checked
    DIST_ALLOW_PRIVATE=0 run -78 --separate-stderr dist-admin destination check hook
    [[ $stderr == *'the address is refused: loopback'* ]]
    destination hook "$(jq -cn --arg url "${RECEIVER_URL/http:/https:}/" '{protocol: "REST", endpoint: $url}')"
    run -69 --separate-stderr dist-admin destination check hook
}

@test "a check of a file looks at the folders that are the same for every report" {
    local folder=$BATS_TEST_TMPDIR/files
    mkdir "$folder"
    destination tree "$(jq -cn --arg path "$folder/{tenant_id}/x" '{protocol: "file", path: $path}')"
    destination flat "$(jq -cn --arg path "$folder/{delivery_id}" '{protocol: "file", path: $path}')"
    run -0 dist-admin destination check
    rmdir "$folder"
    run -78 --separate-stderr dist-admin destination check tree flat
    [[ $stderr == *"tree: $folder/: No such file or directory"* && $stderr == *'2 of 2 destinations'* ]]
    [[ ! -e $folder ]]
}

@test "destination new prints a form that passes the check of forms, and explains its members beside it" {
    local protocol
    for protocol in rest file exec null amqp jdbc; do
        run -0 --separate-stderr dist-admin destination new "$protocol"
        jq -e --arg protocol "$protocol" '.protocol | ascii_downcase == $protocol' <<<"$output"
        [[ $stderr == *timeout:*'default: 30'* ]]
        destination new "$output"
        run -0 dist-admin destination list
    done
    DIST_CONFIG_DIR=$BATS_TEST_TMPDIR/absent run -0 dist-admin destination new rest
    run -64 --separate-stderr dist-admin destination new ftp
    [[ ! $output && $stderr == *'REST, file, exec, null, AMQP or JDBC is wanted, not "ftp"'* ]]
    run -64 dist-admin destination new
}
