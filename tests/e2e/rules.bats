#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# Routing by rules: in a pipe, as a service, and what --explain, --check and --test say before

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up
    export SERVICE_CONFIG=$DIST_CONFIG_DIR
    tenant acme beta gamma
    three_tenants
    services_start
}

teardown_file() {
    services_stop
    sandbox_down
}

# rules NAME JSON: a file of rules.d
rules() {
    mkdir -p "$DIST_CONFIG_DIR/rules.d"
    printf '%s\n' "$2" >"$DIST_CONFIG_DIR/rules.d/$1.json"
}

# pipe_config: a folder of the test's own with destinations a, b, c
pipe_config() {
    config_fresh
    for name in a b c; do
        destination "$name" '{"protocol": "null"}'
    done
}

# route ARGUMENTS...: standard input to delivery envelopes
route() {
    dist-submit --pipe -t acme -T report "$@" | dist-route
}

# to: the targets of delivery envelopes, and the rules that named them
to() {
    jq -r '"\(.target)=\(.rule // "")"' | paste -sd' '
}

# The configuration of the service: three tenants, ten rules, groups whose members the receiver plays
three_tenants() {
    local name
    for name in eu1 eu2 us1 us2; do
        rest_destination "$name" "/in/$name" '{"retry_policy": {"max_attempts": 50, "max_backoff": "100ms"}}'
    done
    rest_destination vault /in/vault '{"tenants": ["acme", "gamma"]}'
    rest_destination paper /in/paper
    rest_destination later /in/later
    destination eu '{"group": ["eu1", "eu2"]}'
    destination us '{"group": ["us1", "us2"], "policy": "round_robin"}'
    destination world '{"group": ["eu1", "us1", "us2"], "policy": "consistent_hash", "hash_on": ".payload.customer"}'
    rules ten '[
      {"name": "tests", "priority": 100, "match": {"metadata": {"environment": ["test"]}}, "to": ["paper"], "stop": true},
      {"name": "eu", "match": {"payload": {"region": [{"prefix": "eu-"}]}}, "to": ["eu"]},
      {"name": "us", "match": {"payload": {"region": [{"prefix": "us-"}]}}, "to": ["us"]},
      {"name": "large", "when": "(.payload.amount? // 0) > 1000", "to": ["vault"], "set": {"priority": "high"}},
      {"name": "acme-paper", "tenant": "acme", "match": {"data_type": ["invoice"]}, "to": ["paper"]},
      {"name": "beta-world", "tenant": "beta", "match": {"data_type": ["invoice"]}, "to": ["world"]},
      {"name": "gamma-set", "tenant": "gamma",
       "set": {"options": {"retry_policy": "none", "timeout": "1h"}, "metadata": {"site": "rome"}}},
      {"name": "csv", "match": {"content_type": ["text/csv"]}, "to": ["paper"]},
      {"name": "old", "valid_until": "2020-01-01T00:00:00Z", "to": ["paper"]},
      {"name": "off", "enabled": false, "to": ["paper"]}]'
}

# reload SERVICE: SIGHUP, and until it has read its configuration again or refused to
reload() {
    local before
    before=$(reloads "$1")
    kill -HUP "$(service_pid "$1")"
    wait_until 10 reloaded "$1" "$before"
}

reloads() {
    grep -cE 'have been read again|in force stay' "$(service_log "$1")" || true
}

reloaded() {
    (($(reloads "$1") > $2))
}

# routed_to ID: the targets of a distribution and the rules that named them, once it is routed
routed_to() {
    [[ $(sql "select status <> 'pending' from distribution_jobs where distribution_id = '$1'") == t ]] || return
    sql "select d.target || '=' || coalesce(d.rule, '') from distribution_deliveries d join distribution_jobs j
         on j.id = d.job_id where j.distribution_id = '$1' order by d.id" | paste -sd' '
}

# --- in a pipe ---

@test "rules add targets, in their order, and the envelope says which rule it was" {
    pipe_config
    rules eu '{"priority": 5, "match": {"payload": {"region": [{"prefix": "eu-"}]}}, "to": ["b"]}'
    rules all '[{"name": "big", "when": ".payload.n > 5", "to": ["c"], "set": {"priority": "high"}}]'
    [ "$(route <<<'{"region": "eu-west", "n": 9}' --to a | to)" = 'a= b=eu c=big' ]
    [ "$(route <<<'{"region": "us", "n": 9}' | to)" = 'c=big' ]
    [ "$(route <<<'{"region": "us", "n": 9}' | jq -r .priority)" = high ]
    run -0 route <<<'{"region": "us"}'
    jq -e '.status == "dead" and .dead_reason == "unroutable" and .target == "unrouted"
        and (.error | contains("no rule matches"))' <<<"$output"
    [ "$(DIST_DEFAULT_TARGET=a route <<<'{"region": "us"}' | to)" = a= ]
    [ "$(DIST_ROUTE_MODE=replace route <<<'{"region": "eu-1"}' --to a | to)" = b=eu ]
    run -0 env DIST_ROUTE_MODE=restrict dist-route < <(dist-submit --pipe -t acme -T t -d a -d b <<<'{"region": "eu-1"}')
    [ "$(jq -r '"\(.target) \(.status)"' <<<"$output")" = $'a dead\nb waiting' ]
}

@test "a distribution without a destination needs rules or a default target" {
    pipe_config
    run -65 --separate-stderr dist-submit --pipe -t acme -T t <<<'{}'
    [[ $stderr == *'no destination: give --to or destinations'* ]]
    run -65 --separate-stderr dist-submit --pipe --request <<<'{"tenant_id": "acme", "data_type": "t", "payload": {}, "destinations": []}'
    [[ $stderr == *'/destinations: none, where 1 to 1000 are wanted'* ]]
    run -0 env DIST_DEFAULT_TARGET=a dist-submit --pipe -t acme -T t <<<'{}'
    rules r '{"to": ["a"]}'
    run -0 dist-submit --pipe -t acme -T t <<<'{}'
    run -0 dist-submit --pipe --request <<<'{"tenant_id": "acme", "data_type": "t", "payload": {}, "destinations": []}'
    run -0 dist-submit --pipe --request <<<'{"tenant_id": "acme", "data_type": "t", "payload": {}}'
}

@test "the members of a group take turns, by their weights" {
    pipe_config
    destination turns '{"group": ["a", "b", "c"], "policy": "weighted", "weights": {"a": 2}}'
    rules r '{"to": ["turns"]}'
    # shellcheck disable=SC2016 # for the other shell
    run -0 bash -c 'for i in 1 2 3 4 5 6 7 8; do echo "{\"i\": $i}"; done |
        dist-submit --pipe -t acme -T t --ndjson | dist-route | jq -r ".candidates[0]" | sort | uniq -c | tr -s " \n" " "'
    [ "$output" = ' 4 a 2 b 2 c ' ]
}

@test "a destination is refused to a tenant that it does not name" {
    pipe_config
    destination mine '{"protocol": "null", "tenants": ["beta"]}'
    destination both '{"group": ["mine", "a"]}'
    run -77 --separate-stderr dist-submit --pipe -t acme -T t -d mine <<<'{}'
    [[ $stderr == *"destination 'mine' is not for tenant 'acme'"* ]]
    run -0 dist-submit --pipe -t beta -T t -d mine <<<'{}'
    [ "$(route -d both <<<'{}' | jq -c .candidates)" = '["a"]' ]
    rules r '{"to": ["mine"]}'
    run -0 route <<<'{}'
    jq -e '.status == "dead" and (.error | contains("is not for tenant"))' <<<"$output"
}

@test "explain says of every rule why, and what it predicts is what happens" {
    pipe_config
    destination off '{"protocol": "null", "disabled": true}'
    destination g '{"group": ["off", "b", "c"]}'
    rules r '[{"name": "one", "priority": 2, "match": {"payload": {"n": [{"numeric": [">", 5]}]}}, "to": ["g"]},
              {"name": "two", "tenant": "beta", "to": ["a"]},
              {"name": "three", "match": {"data_type": ["report"]}, "when": ".payload.x | tonumber > 1", "to": ["a"]}]'
    run -0 bash -c 'dist-submit --pipe -t acme -T report -d c <<<"{\"n\": 9}" | dist-route --explain --json'
    jq -e '[.rules[] | "\(.rule) \(.look)"] == ["one matched", "three when_failed", "two other_tenant"]' <<<"$output"
    jq -e '.targets | map({target, source, candidates}) == [
        {target: "c", source: "request", candidates: ["c"]}, {target: "g", source: "rule", candidates: ["b", "c"]}]' <<<"$output"
    jq -e '.targets[1].dropped == [{name: "off", reason: "it is disabled", last: false}]' <<<"$output"
    [ "$(jq -c '[.targets[] | {target, candidates}]' <<<"$output")" = \
        "$(route -d c <<<'{"n": 9}' | jq -sc 'map({target, candidates})')" ]
    run -0 bash -c 'dist-submit --pipe -t acme -T report <<<"{\"n\": 2}" | dist-route --explain'
    [[ $output == *'missed        one                  /payload/n: 2 does not match [{"numeric":[">",5]}]'* ]]
    [[ $output == *'unrouted, named by nobody: unroutable'* ]]
    # a bad line is counted, and the rest goes on
    run -1 --separate-stderr bash -c '(echo nonsense; dist-submit --pipe -t acme -T t -d a <<<"{}") | dist-route --explain --json'
    jq -e '.targets[0].target == "a"' <<<"$output"
    [[ $stderr == *'stdin:1: '* ]]
}

@test "check finds every mistake of every file in one run, with its line and the nearest word" {
    pipe_config
    printf '%s\n' '[' '  {"name": "x", "match": {"data_typ": ["a"]},' '   "to": ["aa"]},' \
        '  {"name": "y", "to": ["b"], "stop": true},' '  {"name": "z", "to": ["c"]}' ']' >"$BATS_TEST_TMPDIR/one.json"
    printf '%s\n' '{"when": ".a |", "to": ["a"], "set": {"priority": "hihg"}}' >"$BATS_TEST_TMPDIR/two.json"
    cd "$BATS_TEST_TMPDIR"
    run -78 --separate-stderr dist-route --check one.json two.json missing.json
    [[ $stderr == *"one.json:2: /0/match/data_typ: "*"did you mean 'data_type'?"* ]]
    [[ $stderr == *"one.json:3: /0/to/0: no destination or group is named 'aa'; did you mean 'a'?"* ]]
    [[ $stderr == *"two.json:1: /when: syntax error"* ]]
    [[ $stderr == *"two.json:1: /set/priority: "* ]]
    [[ $stderr == *"missing.json: "* ]]
    [[ $stderr == *"one.json:5: /2: rule 'z' is never reached: 'y'"* ]]
    [[ $stderr == *"6 mistakes"* ]]
    sed -i '2,3d; s/, "stop": true//' one.json
    run -0 --separate-stderr dist-route --check one.json
    [ "$output" = '2 rules, no mistakes' ]
    [ "$(dist-route --check --json one.json)" = '{"rules":2,"mistakes":0}' ]
    # without files those of the folder, as dist-admin does
    rules bad '{"to": ["nowhere"]}'
    run -78 --separate-stderr dist-route --check
    [[ $stderr == *"rules.d/bad.json:1: /to/0: "* ]]
    run -78 --separate-stderr dist-admin config --check
    [[ $stderr == *"rules.d/bad.json:1: /to/0: "* ]]
    run -78 --separate-stderr dist-route </dev/null
    DIST_DEFAULT_TARGET=nowhere run -78 --separate-stderr dist-route --check one.json
    [[ $stderr == *"DIST_DEFAULT_TARGET: no destination or group is named 'nowhere'"* ]]
    destination hash '{"group": ["a"], "policy": "consistent_hash", "hash_on": ".a | ("}'
    run -78 --separate-stderr dist-route --check one.json
    [[ $stderr == *"destinations.d/hash.json: /hash_on: group 'hash': syntax error"* ]]
}

@test "tests of rules pass or fail one by one" {
    pipe_config
    rules r '[{"name": "big", "match": {"payload": {"n": [{"numeric": [">", 5]}]}}, "to": ["a", "b"]},
              {"name": "acme", "tenant": "acme", "to": ["c"]}]'
    cat >"$BATS_TEST_TMPDIR/tests.json" <<'end'
[{"name": "big ones", "request": {"tenant_id": "acme", "payload": {"n": 9}}, "expect": ["c", "b", "a"], "rules": ["big", "acme"]},
 {"name": "beta has none", "request": {"tenant_id": "beta"}, "expect": []},
 {"name": "its own too", "request": {"tenant_id": "beta", "destinations": ["c"]}, "expect": ["c"], "rules": []}]
end
    run -0 --separate-stderr dist-route --test "$BATS_TEST_TMPDIR/tests.json"
    [[ ! $output && $stderr == *'3 tests passed, 0 failed'* ]]
    run -1 --separate-stderr dist-route --test - <<'end'
{"name": "wrong", "request": {"tenant_id": "acme"}, "expect": ["a"], "rules": ["big"]}
{"name": "right", "request": {"tenant_id": "acme"}, "expect": ["c"]}

{"name": "no test", "request": {"tenant_id": "acme"}, "expct": ["c"]}
{"request": {"tenant_id": "beta"}, "expect": ["c"]}
end
    [ "${lines[0]}" = 'failed  wrong: it does not go to a; it goes to c; not matched: big; matched: acme' ]
    [[ ${lines[1]} == 'failed  stdin:5: it does not go to c; unrouted: '* ]]
    [[ $stderr == *"stdin:4: unknown member 'expct'; did you mean 'expect'?"* ]]
    [[ $stderr == *'1 tests passed, 3 failed'* ]]
    run -0 --separate-stderr dist-route --test --json "$BATS_TEST_TMPDIR/tests.json"
    jq -es 'map(.passed) == [true, true, true] and .[0].targets == ["c", "a", "b"]' <<<"$output"
}

@test "calls that make no sense are refused" {
    pipe_config
    run -64 dist-route --check --test x
    run -64 dist-route --json
    run -64 dist-route --health
    run -64 dist-route --test
    run -64 dist-route x
    run -65 --separate-stderr dist-route --test "$BATS_TEST_TMPDIR/missing"
    [[ $stderr == *'missing: No such file or directory'* ]]
    # a server that is asked and is not there
    destination g '{"group": ["a", "b"]}'
    dist-submit --pipe -t acme -T t -d g <<<'{}' >"$BATS_TEST_TMPDIR/envelope"
    REDIS_HOST=$BATS_TEST_TMPDIR/none run -69 dist-route --explain --health <"$BATS_TEST_TMPDIR/envelope"
    run -0 dist-route --explain <"$BATS_TEST_TMPDIR/envelope"
}

# --- as a service ---

# service_setup: the configuration of the services, as setup_file has left it
service_setup() {
    local name
    sandbox_up >/dev/null
    export DIST_CONFIG_DIR=$SERVICE_CONFIG
    three_tenants
    receiver_reset
    for name in route transform deliver; do
        service_running "$name" || service_start "$name"
    done
    reload route
}

# submit TENANT TYPE BODY [ARGUMENT...]: the id
submit() {
    dist-submit -t "$1" -T "$2" "${@:4}" <<<"$3"
}

# predicted TENANT TYPE BODY [ARGUMENT...]: targets and rules as --explain has them
predicted() {
    dist-submit --pipe -t "$1" -T "$2" "${@:4}" <<<"$3" | dist-route --explain --json |
        jq -r '.targets[] | "\(.target)=\(.rule // "")"' | paste -sd' '
}

@test "ten rules of three tenants: what went where is what explain predicts" {
    service_setup
    local tenant type body more id ids=()
    while IFS='|' read -r tenant type body more; do
        # shellcheck disable=SC2086 # words
        id=$(submit "$tenant" "$type" "$body" $more)
        ids+=("$id")
        wait_until 10 routed_to "$id"
        # shellcheck disable=SC2086
        [ "$(routed_to "$id")" = "$(predicted "$tenant" "$type" "$body" $more)" ] || fail "$tenant $type $body"
    done <<'end'
acme|invoice|{"region": "eu-west", "amount": 5}
acme|invoice|{"region": "us-east", "amount": 5000}
acme|report|{"region": "eu-west"}|--meta environment=test
acme|report|{"region": "asia"}|--to later
beta|invoice|{"customer": "c1"}
beta|report|{"region": "us-west", "amount": 3000}
gamma|report|{"region": "eu-south", "amount": 2000}
gamma|report|a;b|--content-type text/csv
end
    dist-status --wait --timeout 20s "${ids[0]}" "${ids[2]}" "${ids[6]}" >/dev/null
    [ "$(routed_to "${ids[0]}")" = 'paper=acme-paper eu=eu' ]
    [ "$(routed_to "${ids[2]}")" = 'paper=tests' ]
    # a tenant that may not use a destination, though a rule names it
    dist-status --json "${ids[5]}" | jq -e '.destinations | map(select(.rule == "large")) | .[0].status == "failed"'
    dist-status --json "${ids[5]}" | jq -e '.errors[0].error == "destination \u0027vault\u0027 is not for tenant \u0027beta\u0027"'
    dist-status --json "${ids[6]}" | jq -e '.destinations | map("\(.name) \(.rule)") == ["eu eu", "vault large"]'
}

@test "what rules set is the distribution's: lane, retry policy, expiry and metadata" {
    service_setup
    id=$(submit gamma report '{"region": "eu-1", "amount": 2000}' --meta site=milan --meta own=1 --priority low --expires 10m)
    wait_until 10 routed_to "$id"
    [ "$(sql "select priority, retry_policy, metadata ->> 'site', metadata ->> 'own', lifetime = interval '1h',
              expires_at = created_at + interval '1h' from distribution_jobs where distribution_id = '$id'")" = 'high|none|rome|1|t|t' ]
    [ "$(sql "select string_agg(distinct d.priority, ',') from distribution_deliveries d join distribution_jobs j on j.id = d.job_id
              where j.distribution_id = '$id'")" = high ]
    dist-status --wait --timeout 20s "$id" >/dev/null
}

@test "nothing says where to: a dead letter, that can be sent elsewhere; or the default target" {
    service_setup
    id=$(submit acme report '{"region": "asia"}')
    wait_until 10 is failed sql "select status from distribution_jobs where distribution_id = '$id'"
    run -0 --separate-stderr dist-dlq list --json --reason unroutable "$id"
    jq -e '.target == "unrouted" and (.error | contains("no rule matches"))' <<<"$output"
    dist-dlq replay --to paper --why 'it belongs there' "$id"
    wait_until 10 is completed sql "select status from distribution_jobs where distribution_id = '$id'"
    [ "$(receiver_count /in/paper)" = 1 ]

    service_stop route
    DIST_DEFAULT_TARGET=later service_start route
    id=$(submit acme report '{"region": "asia"}')
    wait_until 10 is completed sql "select status from distribution_jobs where distribution_id = '$id'"
    [ "$(routed_to "$id")" = later= ]
    service_stop route
    service_start route
}

@test "new rules are taken at SIGHUP while reports come in: each goes by the old or by the new ones, and none twice" {
    service_setup
    rules swap '{"match": {"data_type": ["swap"]}, "to": ["paper"]}'
    reload route
    seq 1 300 | jq -c '{n: .}' | dist-submit -t acme -T swap --ndjson >/dev/null
    (seq 301 900 | jq -c '{n: .}' | dist-submit -t acme -T swap --ndjson >/dev/null) 3>&- 4>&- &
    rules swap '{"match": {"data_type": ["swap"]}, "to": ["later"]}'
    reload route
    rules swap '{"match": {"data_type": ["swap"]}, "to": ["paper"]}'
    reload route
    wait $!
    rules swap '{"match": {"data_type": ["swap"]}, "to": ["later"]}'
    reload route
    id=$(submit acme swap '{"n": 901}')
    wait_until 30 is 901 sql "select count(*) from distribution_jobs where data_type = 'swap' and status = 'completed'"
    [ "$(routed_to "$id")" = later=swap ]
    [ "$(sql "select count(*), count(distinct job_id) from distribution_deliveries d join distribution_jobs j on j.id = d.job_id
              where j.data_type = 'swap'")" = '901|901' ]
    [ "$(($(receiver_count /in/paper) + $(receiver_count /in/later)))" = 901 ]
    rm "$DIST_CONFIG_DIR/rules.d/swap.json"
}

@test "a bad set is refused whole, and the old one stays" {
    service_setup
    rules good '{"match": {"data_type": ["stay"]}, "to": ["later"]}'
    reload route
    rules good '{"match": {"data_type": ["stay"]}, "to": ["paper"]}'
    rules bad '{"match": {"data_typ": ["x"]}, "to": ["paper"]}'
    destination fresh '{"protocol": "null"}'
    reload route
    grep -q 'rules.d/bad.json:1: /match/data_typ: .*did you mean' "$(service_log route)"
    [ "$(grep -c 'the destinations and rules in force stay' "$(service_log route)")" = 1 ]
    id=$(submit acme stay '{}')
    wait_until 10 routed_to "$id"
    [ "$(routed_to "$id")" = later=good ]
    # the destinations with them: what is new is not known yet
    id=$(submit acme stay '{}' --to fresh)
    wait_until 10 routed_to "$id"
    [ "$(routed_to "$id")" = 'fresh= later=good' ]
    dist-status --json "$id" | jq -e '.destinations[0].status == "failed"'
    rm "$DIST_CONFIG_DIR"/rules.d/{good,bad}.json "$DIST_CONFIG_DIR/destinations.d/fresh.json"
    reload route
    id=$(submit acme stay '{}')
    wait_until 10 routed_to "$id"
    [ "$(routed_to "$id")" = unrouted= ]
}

@test "members with a long queue take no turn" {
    service_setup
    destination eu '{"group": ["eu1", "eu2"], "max_queue": 3}'
    reload route
    service_stop deliver
    seq 1 5 | jq -c '{n: .}' | dist-submit -t acme -T fill --to eu1 --ndjson >/dev/null
    wait_until 10 is 5 sql "select count(*) from distribution_deliveries where target = 'eu1'"
    wait_until 10 routed_first eu2
    service_start deliver
    wait_until 20 is 0 sql "select count(*) from distribution_deliveries where status in ('waiting', 'queued')"
}

@test "a group fails over when a receiver dies, and routing prefers the others from then on" {
    service_setup
    rest_destination eu1 /in/dead/status/503 '{"retry_policy": {"max_attempts": 50, "max_backoff": "100ms"}}'
    reload deliver
    seq 1 10 | jq -c '{n: ., region: "eu-1"}' | dist-submit -t acme -T failing --ndjson >/dev/null
    wait_until 20 is 10 sql "select count(*) from distribution_jobs where data_type = 'failing' and status = 'completed'"
    [ "$(receiver_count /in/eu2)" = 10 ]
    wait_until 10 is '["eu2","eu1"]' eu_candidates
    dist-submit --pipe -t acme -T report <<<'{"region": "eu-1"}' | dist-route --explain --health --json |
        jq -e '.targets[0].dropped[0] | .name == "eu1" and .last and (.reason | startswith("its breaker is open after"))'
    # within a second routing has seen the same
    wait_until 10 routed_first eu2
    [ "$(sql "select count(*) from distribution_deliveries where status = 'dead' and target = 'eu'")" = 0 ]
}

eu_candidates() {
    dist-submit --pipe -t acme -T report <<<'{"region": "eu-1"}' | dist-route --explain --health --json |
        jq -c '.targets[0].candidates'
}

# routed_first NAME: a new report of the group goes there first
routed_first() {
    local id
    id=$(submit acme report '{"region": "eu-1"}')
    wait_until 10 routed_to "$id"
    [[ $(sql "select candidates ->> 0 from distribution_deliveries d join distribution_jobs j on j.id = d.job_id
              where j.distribution_id = '$id'") == "$1" ]]
}

@test "rules restrict or replace what requests name, and the audit counts what routing decided" {
    service_setup
    service_stop route
    DIST_ROUTE_MODE=replace service_start route
    id=$(submit acme report '{"region": "us-1"}' --to later --to us --to paper)
    wait_until 10 routed_to "$id"
    [ "$(routed_to "$id")" = us=us ]
    service_stop route
    DIST_ROUTE_MODE=restrict service_start route
    id=$(submit acme report '{"region": "us-1"}' --to later --to us)
    wait_until 10 routed_to "$id"
    [ "$(routed_to "$id")" = 'later= us=' ]
    dist-status --json "$id" | jq -e '.destinations | map(.status) | .[0] == "failed"'
    service_stop route
    service_start route
    run -0 --separate-stderr dist-admin audit --json
    jq -e '.dist_unaccounted == 0 and (.targets | .accepted == .pending + .unrouted + .waiting + .queued + .delivered
        + .dead + .expired + .cancelled)' <<<"$output"
}
