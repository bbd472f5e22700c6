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

# A server with an authority of its own, which wants to see a certificate; its pid goes to $server, its port to $port.
tls_server() {
    local folder=$BATS_TEST_TMPDIR name
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/ca.key" -out "$folder/ca.pem" \
        -days 1 -subj /CN=ca 2>/dev/null
    for name in server client; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/$name.key" -days 1 \
            -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -out "$folder/$name.pem" -subj "/CN=$name" \
            -addext basicConstraints=CA:FALSE -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    done
    openssl s_server -accept 127.0.0.1:0 -www -cert "$folder/server.pem" -key "$folder/server.key" -CAfile "$folder/ca.pem" \
        -Verify 1 -verify_return_error >"$folder/server.log" 2>&1 3>&- 4>&- </dev/null &
    server=$!
    wait_until 20 grep -q '^ACCEPT' "$folder/server.log"
    port=$(sed -n 's/^ACCEPT.*:\([0-9]*\)$/\1/p' "$folder/server.log" | head -n 1)
}

@test "a destination with its own authority and certificate is delivered to, and without them it is not" {
    local folder=$BATS_TEST_TMPDIR
    tls_server
    destination mutual "$(jq -cn --arg folder "$folder" --arg port "$port" '{protocol: "REST", method: "GET",
        endpoint: "https://127.0.0.1:\($port)/", tls: {ca_file: "\($folder)/ca.pem", cert_file: "\($folder)/client.pem",
        key_file: "\($folder)/client.key"}}')"
    destination stranger "$(jq -cn --arg port "$port" '{protocol: "REST", method: "GET",
        endpoint: "https://127.0.0.1:\($port)/"}')"
    run -0 dist-admin destination check mutual
    run -0 dist-deliver --once -d mutual <<<'{}'
    run -69 --separate-stderr dist-admin destination check stranger
    [[ $stderr == *certificate* ]]
    run -75 --separate-stderr dist-deliver --once -d stranger <<<'{}'
    kill "$server"
    wait "$server" || true
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
    for protocol in rest file exec null amqp jdbc s3 hdfs soap smtp sftp; do
        run -0 --separate-stderr dist-admin destination new "$protocol"
        jq -e --arg protocol "$protocol" '.protocol | ascii_downcase == $protocol' <<<"$output"
        [[ $stderr == *timeout:*'default: 30'* ]]
        destination new "$output"
        run -0 dist-admin destination list
    done
    DIST_CONFIG_DIR=$BATS_TEST_TMPDIR/absent run -0 dist-admin destination new rest
    run -64 --separate-stderr dist-admin destination new ftp
    [[ ! $output && $stderr == *'REST, file, exec, null, AMQP, JDBC, S3, HDFS, SOAP, SMTP or SFTP is wanted, not "ftp"'* ]]
    run -64 dist-admin destination new
}
