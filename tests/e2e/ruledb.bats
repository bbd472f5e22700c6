#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2030,SC2031 # bats sets output, stderr and status; each test has its own environment
# Rules in the database: loaded whole or not at all, compared, switched, removed, and who did it

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up redis postgres receiver
    tenant acme beta
    rest_destination hook /in/hook
    rest_destination archive /in/archive
}

teardown_file() {
    services_stop
    sandbox_down
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    sql "TRUNCATE distribution_rules, distribution_rule_changes"
}

# A test that failed in the middle is not to take the others with it.
teardown() {
    services_stop
}

# rules_file NAME [LINE...]: a file of rules
rules_file() {
    printf '%s\n' "${@:2}" >"$1"
}

# state NAME: "version state" of the rule of all tenants
state() {
    dist-admin rules show --json "$1" | jq -r '"\(.version) \(.state)"'
}

@test "rules are loaded, printed and diffed; loading them again changes nothing" {
    rules_file first.json '[{"name": "a", "to": ["hook"]},' ' {"name": "b", "priority": 5, "match": {"data_type": ["x"]}, "to": ["archive"]}]'
    rules_file single.json '{"to": ["hook"], "tenant": "acme"}'
    run -1 --separate-stderr dist-admin rules diff first.json single.json
    [[ $output == $'+ b of all tenants\n+ a of all tenants\n+ single of tenant acme' ]] || fail "$output"
    run -0 dist-admin rules show
    [[ ! $output ]]
    run -0 --separate-stderr dist-admin rules load first.json single.json
    [[ $stderr == *'3 added, 0 changed, 0 removed, 0 as they were' ]] || fail "$stderr"
    run -0 dist-admin rules show
    [[ ${#lines[@]} == 4 && ${lines[2]} =~ ^b\ +-\ +enabled\ +5\ +1\  ]] || fail "$output"
    run -0 dist-admin rules show -t acme
    [[ ${#lines[@]} == 2 && ${lines[1]} =~ ^single\ +acme\ +enabled\ +0\ +1\ .*@ ]] || fail "$output"
    run -0 --separate-stderr dist-admin rules diff first.json single.json
    [[ ! $output ]]
    run -0 --separate-stderr dist-admin rules load first.json single.json
    [[ ! $output && $stderr == *'0 added, 0 changed, 0 removed, 3 as they were' ]] || fail "$stderr"
    [[ $(state a) == '1 enabled' ]]
}

@test "a diff shows the members that differ, as text and as JSON, and a dry run changes nothing" {
    rules_file r.json '{"name": "a", "priority": 5, "to": ["hook"]}'
    dist-admin rules load r.json
    rules_file r.json '{"name": "a", "to": ["hook", "archive"], "stop": true}'
    run -1 dist-admin rules diff r.json
    [[ $output == '~ a of all tenants
    - "to": ["hook"]
    + "to": ["hook","archive"]
    + "stop": true
    - "priority": 5' ]] || fail "$output"
    run -0 dist-admin rules load --dry-run r.json
    [[ ${lines[0]} == '~ a of all tenants' && $output != *added* ]] || fail "$output"
    [[ $(state a) == '1 enabled' ]]
    run -1 dist-admin rules diff --json r.json
    [[ $(jq -c '[.change, .name, .tenant_id, .before.priority, .after.stop]' <<<"$output") == '["changed","a",null,5,true]' ]] || fail "$output"
}

@test "with a mistake in any file nothing is loaded, and every mistake is told with its line and what was meant" {
    rules_file good.json '{"name": "good", "to": ["hook"]}'
    rules_file bad.json '[' '  {"name": "x",' '   "match": {"payload": {"n": [{"numerc": [">", 1]}]}},' '   "to": ["hok"]},' \
        '  {"name": "y", "when": ".a |", "to": ["hook"]}' ']'
    run -65 --separate-stderr dist-admin rules load good.json bad.json
    [[ ! $output ]]
    [[ $stderr == *"bad.json:3: /0/match/payload/n/0"*"did you mean 'numeric'?"* ]] || fail "$stderr"
    [[ $stderr == *"bad.json:4: /0/to/0: no destination or group is named 'hok'; did you mean 'hook'?"* ]] || fail "$stderr"
    [[ $stderr == *'bad.json:5: /1/when: '*'syntax error'* ]] || fail "$stderr"
    [[ $stderr == *'the rules have 3 mistakes: nothing was changed' ]] || fail "$stderr"
    run -0 dist-admin rules show
    [[ ! $output ]]
    rules_file syntax.json '{"name": "x",' ' oops}'
    run -65 dist-admin rules load syntax.json
    [[ $output == *'syntax.json:2: '* ]] || fail "$output"
}

@test "what is loaded is judged together with what is there" {
    rules_file wide.json '{"name": "wide", "priority": 9, "to": ["hook"], "stop": true}'
    rules_file narrow.json '{"name": "narrow", "match": {"data_type": ["x"]}, "to": ["hook"]}'
    dist-admin rules load narrow.json
    run -65 dist-admin rules load wide.json
    [[ $output == *"database:narrow: rule 'narrow' is never reached: 'wide' in wide.json"* ]] || fail "$output"
    dist-admin rules disable narrow
    dist-admin rules load wide.json
    run -65 dist-admin rules enable narrow
    [[ $output == *"database:narrow: rule 'narrow' is never reached: 'wide' in database:wide"* ]] || fail "$output"
    [[ $(state narrow) == '2 disabled' ]]
    run -1 dist-admin rules diff --replace narrow.json
    [[ $output == '- wide of all tenants' ]] || fail "$output"
    dist-admin rules load --replace narrow.json
    dist-admin rules enable narrow
    [[ $(state narrow) == '3 enabled' ]]
}

@test "a tenant's rules are its own: by --tenant, which no file gets around, and for --replace" {
    rules_file r.json '{"name": "r", "to": ["hook"]}'
    rules_file beta.json '{"name": "r", "tenant": "beta", "to": ["hook"]}'
    dist-admin rules load r.json beta.json
    dist-admin rules load -t acme r.json
    run -65 dist-admin rules load -t acme beta.json
    [[ $output == *"beta.json:1: /tenant: these are rules of tenant 'acme', and 'beta' is another one"* ]] || fail "$output"
    run -65 dist-admin rules load -t acmi r.json
    [[ $output == *"there is no tenant 'acmi'; did you mean 'acme'?"* ]] || fail "$output"
    rules_file other.json '{"name": "other", "to": ["hook"]}'
    dist-admin rules load -t acme --replace other.json
    [[ $(dist-admin rules show --json | jq -r '"\(.tenant_id)/\(.name)"' | sort | paste -sd' ') == 'acme/other beta/r null/r' ]]
    run -65 dist-admin rules remove other
    [[ $output == *"the database has no rule 'other' that is of all tenants, but one of tenant 'acme'"* ]] || fail "$output"
    dist-admin rules remove -t acme other
    run -65 dist-admin rules remove -t acme other
}

@test "a rule that was disabled stays so when it is loaded again, until it is enabled" {
    rules_file r.json '{"name": "r", "to": ["hook"]}'
    dist-admin rules load r.json
    dist-admin rules disable r
    dist-admin rules disable r
    [[ $(state r) == '2 disabled' ]]
    rules_file r.json '{"name": "r", "to": ["archive"]}'
    run -0 dist-admin rules load r.json
    [[ $output == *'~ r of all tenants, which is disabled and stays so'* ]] || fail "$output"
    [[ $(state r) == '3 disabled' ]]
    dist-admin rules enable r
    [[ $(state r) == '4 enabled' ]]
    rules_file r.json '{"name": "r", "enabled": false, "to": ["archive"]}'
    dist-admin rules load r.json
    [[ $(state r) == '5 disabled' ]]
    run -65 dist-admin rules enable r
    [[ $output == *'says "enabled": false itself'* ]] || fail "$output"
}

@test "one rule is shown with its form and who did what, also when it is gone, and comes back from there" {
    local who
    who=$(id -un)@$(hostname)
    rules_file r.json '{"name": "price", "match": {"payload": {"n": [{"numeric": [">=", 0.1]}]}}, "to": ["hook"]}'
    dist-admin rules load r.json
    run -0 dist-admin rules show price
    [[ $output == *'state         enabled'*'"numeric": ['*'0.1'*"1        loaded"* && $output != *0.10000* ]] || fail "$output"
    dist-admin rules remove price
    run -0 dist-admin rules show price
    [[ $output == *'state         removed'*"2        removed"*"$who"*"1        loaded"*"$who"* ]] || fail "$output"
    run -0 dist-admin rules show --json price
    [[ $(jq -c '[.state, .history[].change]' <<<"$output") == '["removed","removed","loaded"]' ]] || fail "$output"
    jq '.history[1].form' <<<"$output" | dist-admin rules load -
    [[ $(state price) == '3 enabled' ]]
    run -65 dist-admin rules show prices
    [[ $output == *"the database has no rule 'prices' that is of all tenants; did you mean 'price'?"* ]] || fail "$output"
}

@test "what is printed as JSON is loaded again as it was, tenants and all" {
    rules_file r.json '[{"name": "r", "to": ["hook"]}, {"name": "r", "tenant": "acme", "when": ".a == 1", "to": ["archive"]}]'
    rules_file t.json '{"to": ["hook"]}'
    dist-admin rules load r.json
    dist-admin rules load -t beta t.json
    dist-admin rules show --json | jq -s 'map(.form)' >all.json
    run -0 dist-admin rules diff --replace all.json
    [[ ! $output ]] || fail "$output"
}

@test "administrators at once lose nothing of each other" {
    local i pids=()
    for i in 1 2 3 4; do
        rules_file "$i.json" "{\"name\": \"r$i\", \"to\": [\"hook\"]}"
        dist-admin rules load "$i.json" 3>&- &
        pids+=($!)
    done
    for i in "${pids[@]}"; do
        wait "$i" || fail "one has lost"
    done
    [[ $(dist-admin rules show --json | jq -r .name | paste -sd' ') == 'r1 r2 r3 r4' ]]
}

@test "wrong calls say what is wrong" {
    run -64 dist-admin rules load
    [[ $output == *"wrong number of arguments for 'rules load'"* ]] || fail "$output"
    run -64 dist-admin rules lod x.json
    run -65 dist-admin rules load nothing-here.json
    [[ $output == *nothing-here.json* ]] || fail "$output"
    run -69 env DB_HOST=/nowhere dist-admin rules show
}

# --- routing by them ---

# routed TYPE [ARGUMENT...]: where a report of this type goes, as "target target", once it has been routed
routed() {
    local id
    id=$(echo '{"n": 1}' | dist-submit -t acme --type "$@") || return
    wait_until 10 has_deliveries "$id" || return
    sql "select string_agg(target || case when d.status = 'dead' then '!' else '' end, ' ' order by target)
         from distribution_deliveries d join distribution_jobs j on j.id = d.job_id where j.distribution_id = '$id'"
}

has_deliveries() {
    [[ $(sql "select count(*) from distribution_deliveries d join distribution_jobs j on j.id = d.job_id
              where j.distribution_id = '$1'") != 0 ]]
}

# goes_to TARGETS TYPE [ARGUMENT...]: for wait_until
goes_to() {
    [[ $(routed "${@:2}") == "$1" ]]
}

# rules_read: how often the service has read its configuration again, or refused to
rules_read() {
    grep -cE 'have been read again|in force stay' "$(service_log route)" || true
}

rules_read_after() {
    (($(rules_read) > $1))
}

@test "a service routes by the rules of the database, and by what they become, without a signal" {
    local before
    rules_file r.json '{"name": "r", "to": ["hook"]}'
    dist-admin rules load r.json
    service_start route
    [[ $(routed x) == hook ]]
    [[ $(sql "select distinct rule from distribution_deliveries") == r ]]
    before=$(rules_read)
    rules_file r.json '{"name": "r", "to": ["archive"]}'
    dist-admin rules load r.json
    wait_until 10 rules_read_after "$before"
    [[ $(routed x) == archive ]]
    before=$(rules_read)
    dist-admin rules disable r
    wait_until 10 rules_read_after "$before"
    [[ $(routed x -d hook) == hook ]]
    before=$(rules_read)
    dist-admin rules enable r
    wait_until 10 rules_read_after "$before"
    [[ $(routed x -d hook) == 'archive hook' ]]
    service_stop route
}

@test "without a destination and without any rule a report is refused, and with a rule that does not match it is dead" {
    run -65 dist-submit -t acme --type x <<<'{}'
    rules_file r.json '{"name": "r", "match": {"data_type": ["y"]}, "to": ["hook"]}'
    dist-admin rules load r.json
    service_start route
    [[ $(routed y) == hook ]]
    [[ $(routed x) == 'unrouted!' ]]
    service_stop route
}

@test "a set that has become bad is refused whole, said once, and the old one stays" {
    local before
    rules_file r.json '{"name": "r", "to": ["hook"]}'
    dist-admin rules load r.json
    service_start route
    before=$(rules_read)
    # as it is where the destination is another host's
    sql "update distribution_rules set form = '{\"name\": \"r\", \"to\": [\"elsewhere\"]}'; update dist_state set value = value::int + 1 where key = 'rules_version'"
    wait_until 10 rules_read_after "$before"
    grep -q "database:r: /to/0: no destination or group is named 'elsewhere'" "$(service_log route)"
    [[ $(routed x) == hook ]]
    looked_twice
    [[ $(rules_read) == $((before + 1)) ]]
    service_stop route
    service_launch route
    wait_until 10 service_gone route
    grep -q 'the set of rules has 1 mistake' "$(service_log route)"
}

# looked_twice: the service's connection has asked for the version again, and again
looked_twice() {
    wait_until 5 version_asked_since "$(sql 'select now()')" && wait_until 5 version_asked_since "$(sql 'select now()')"
}

version_asked_since() {
    [[ $(sql "select count(*) from pg_stat_activity where application_name = 'dist-route' and query like '%rules_version%'
              and state_change > '$1'") != 0 ]]
}

@test "a rule of rules.d and one of the database of the same name cannot be there together" {
    mkdir -p "$DIST_CONFIG_DIR/rules.d"
    rules_file "$DIST_CONFIG_DIR/rules.d/r.json" '{"to": ["hook"]}'
    rules_file r.json '{"to": ["hook"]}'
    run -65 dist-admin rules load r.json
    rm -r "$DIST_CONFIG_DIR/rules.d"
    [[ $output == *"r.json:1: the name 'r' is defined in rules.d/r.json already, in line 1"* ]] || fail "$output"
}

@test "rules that change under load lose no report and route none twice" {
    local i
    rules_file hook.json '{"name": "r", "to": ["hook"]}'
    rules_file archive.json '{"name": "r", "to": ["archive"]}'
    dist-admin rules load hook.json
    service_start route
    service_start route-2
    for i in 1 2 3 4 5 6; do
        seq 1 50 | jq -c "{n: ., round: $i}" | dist-submit -t acme --type load --ndjson -q
        if ((i % 2)); then dist-admin rules load archive.json; else dist-admin rules load hook.json; fi
    done
    wait_until 20 is 300 sql "select count(*) from distribution_jobs where data_type = 'load' and status <> 'pending'"
    [[ $(sql "select count(*) from distribution_deliveries d join distribution_jobs j on j.id = d.job_id where j.data_type = 'load'") == 300 ]]
    [[ $(sql "select string_agg(distinct target, ' ') from distribution_deliveries d join distribution_jobs j on j.id = d.job_id
              where j.data_type = 'load'") =~ ^(archive|hook|archive\ hook)$ ]]
    service_stop route
    service_stop route-2
}

@test "a service that starts while PostgreSQL is away waits for it, and can be stopped meanwhile" {
    rules_file r.json '{"name": "r", "to": ["hook"]}'
    dist-admin rules load r.json
    sandbox down postgres
    service_launch route
    wait_until 10 grep -q 'trying again until it works' "$(service_log route)"
    service_stop route
    service_launch route
    wait_until 10 grep -q 'trying again until it works' "$(service_log route)"
    sandbox up --no-fsync postgres
    wait_until 20 service_ready route
    [[ $(routed x) == hook ]]
    service_stop route
}

# --- asking about what is stored ---

# stored TYPE N [ARGUMENT...]: N reports, accepted and not routed
stored() {
    seq 1 "$2" | jq -c '{n: .}' | dist-submit -t acme --type "$1" --ndjson "${@:3}"
}

@test "a stored distribution is explained by the rules of the database, by either of its ids" {
    local id
    sql "SET client_min_messages = warning; TRUNCATE distribution_jobs CASCADE"
    rules_file r.json '[{"name": "small", "match": {"payload": {"n": [{"numeric": ["<", 5]}]}}, "to": ["hook"]},' \
        '{"name": "other", "match": {"data_type": ["y"]}, "to": ["archive"]}]'
    dist-admin rules load r.json
    id=$(stored x 1)
    run -0 dist-route --explain --json "$id" "$(sql "select id from distribution_jobs")"
    [[ ${#lines[@]} == 2 && ${lines[0]} == "${lines[1]}" ]] || fail "$output"
    [[ $(jq -c '[.targets[0].target, (.rules | map(.rule + " " + .look + " " + .origin))]' <<<"${lines[0]}") == \
        '["hook",["other missed database:other","small matched database:small"]]' ]] || fail "$output"
    run -0 dist-route --explain "$id"
    [[ $output == *hook* && $output == *small* ]] || fail "$output"
    run -1 --separate-stderr dist-route --explain nobody "$id"
    [[ $stderr == *"there is no distribution 'nobody'"* && $output == *hook* ]] || fail "$stderr"
    run -69 env DB_HOST=/nowhere dist-route --explain "$id"
}

@test "a diff counts what each target would gain and lose, and is an exit of 1 where anything differs" {
    sql "SET client_min_messages = warning; TRUNCATE distribution_jobs CASCADE"
    rules_file r.json '[{"name": "all", "to": ["hook"]}, {"name": "y", "match": {"data_type": ["y"]}, "to": ["archive"]}]'
    dist-admin rules load r.json
    stored x 3 -q
    stored y 2 -q
    stored z 210 -q
    sql "UPDATE distribution_jobs SET created_at = now() - interval '8 days' WHERE data_type = 'z'"
    # in the place of the rule of that name; the other one stays
    rules_file all.json '{"match": {"payload": {"n": [1]}}, "to": ["hook", "archive"]}'
    run -1 --separate-stderr dist-route --diff all.json
    [[ $output == 'TARGET         GAINED  LOST  BEFORE  AFTER
(dead letter)  2       0     0       2
archive        1       0     2       3
hook           0       3     5       2
4 of 5 distributions would go elsewhere' ]] || fail "$output"
    run -1 dist-route --diff --json --days 30 all.json
    [[ $(jq -sc '.[-1]' <<<"$output") == '{"distributions":215,"changed":214}' ]] || fail "$output"
    run -1 dist-route --diff --json --days 30 --limit 1 all.json
    [[ $(jq -sc '.[-1]' <<<"$output") == '{"distributions":1,"changed":1}' ]] || fail "$output"
    mkdir same
    cp r.json same/
    run -0 --separate-stderr dist-route --diff same
    [[ $output == '0 of 5 distributions would go elsewhere' ]] || fail "$output"
    [[ $(sql "select count(*) from distribution_jobs where status <> 'pending'") == 0 ]]
}

@test "a diff puts the new files in the place of rules.d, and tells their mistakes" {
    sql "SET client_min_messages = warning; TRUNCATE distribution_jobs CASCADE"
    mkdir -p "$DIST_CONFIG_DIR/rules.d"
    rules_file "$DIST_CONFIG_DIR/rules.d/r.json" '{"to": ["hook"]}'
    stored x 2 -q
    rules_file new.json '{"to": ["archive"], "set": {"priority": "low"}}'
    run -1 --separate-stderr dist-route --diff --json new.json
    [[ $(jq -sc 'map([.target, .gained, .lost])' <<<"$output") == '[["archive",2,0],["hook",0,2],[null,null,null]]' ]] || fail "$output"
    rules_file bad.json '{"to": ["hok"]}'
    run -78 dist-route --diff bad.json
    [[ $output == *"bad.json:1: /to/0: no destination or group is named 'hok'"* ]] || fail "$output"
    rm -r "$DIST_CONFIG_DIR/rules.d"
    run -64 dist-route --diff
    run -64 dist-route --days 3
    run -65 dist-route --diff nothing-here.json
}

# --- the rules engine ---

# answers JSON: the segment of a path of the receiver that answers so
answers() {
    printf 'body/%s' "$(jq -rn --arg text "$1" '$text | @uri')"
}

# piped TYPE: "target rule" of each delivery of a report through the pipe
piped() {
    echo '{"n": 1}' | dist-submit --pipe -t acme --type "$1" "${@:2}" | dist-route | jq -r '"\(.target) \(.rule)"'
}

@test "in a pipe the engine says where a report goes, and sees its metadata and no payload" {
    export RULES_ENGINE_URL
    RULES_ENGINE_URL=$RECEIVER_URL/engine/pipe/$(answers '{"targets": ["archive"], "priority": "high"}')
    run -0 piped x --meta region=eu
    [[ $output == 'archive rules-engine' ]] || fail "$output"
    run -0 receiver_requests /engine/pipe
    [[ $(jq -r '[.method, .headers["content-type"]] | join(" ")' <<<"$output") == 'POST application/json' ]] || fail "$output"
    RULES_ENGINE_URL=$RECEIVER_URL/engine/pipe/$(answers '{"targets": ["nowhere"]}')
    run -0 piped x
    [[ $output == 'unrouted null' ]] || fail "$output"
    run -0 bash -c "echo '{}' | dist-submit --pipe -t acme --type x -d hook | dist-route --explain"
    [[ $output == *"no destination or group is named 'nowhere'"* ]] || fail "$output"
}

@test "in a pipe an absent engine is answered as configured" {
    export RULES_ENGINE_URL=$RECEIVER_URL/engine/absent/503
    mkdir -p "$DIST_CONFIG_DIR/rules.d"
    rules_file "$DIST_CONFIG_DIR/rules.d/r.json" '{"to": ["hook"]}'
    run -0 --separate-stderr env RULES_ENGINE_ABSENT=last bash -c "$(declare -f piped); piped x"
    [[ $output == 'hook r' && $stderr == *'the rules engine is absent: HTTP 503; until it is back, its last answers and the rules hold'* ]] || fail "$output $stderr"
    run -0 env RULES_ENGINE_ABSENT=refuse bash -c "$(declare -f piped); piped x"
    [[ $output == *'unrouted null'* ]] || fail "$output"
    run -75 bash -c "echo '{}' | dist-submit --pipe -t acme --type x | dist-route"
    rm -r "$DIST_CONFIG_DIR/rules.d"
    run -78 env RULES_ENGINE_URL=ftp://x/ dist-route </dev/null
    run -78 env RULES_ENGINE_CREDENTIALS=nobody dist-route </dev/null
}

@test "a service waits for its engine, and loses and doubles nothing" {
    sql "SET client_min_messages = warning; TRUNCATE distribution_jobs CASCADE"
    RULES_ENGINE_URL=$RECEIVER_URL/engine/service/fail/4/503/then/$(answers '{"targets": ["archive"], "metadata": {"by": "engine"}}') \
        service_start route
    stored x 20 -q -d hook
    wait_until 20 is 20 sql "select count(*) from distribution_jobs where status <> 'pending' and metadata ->> 'by' = 'engine'"
    [[ $(sql "select string_agg(target || ' ' || coalesce(rule, '-'), ', ' order by target) from
              (select distinct target, rule from distribution_deliveries) d") == 'archive rules-engine, hook -' ]]
    [[ $(sql "select count(*) from distribution_deliveries") == 40 ]]
    [[ $(grep -c 'the rules engine is absent: HTTP 503; trying again until it works' "$(service_log route)") == 1 ]]
    wait_until 20 grep -q 'it works again' "$(service_log route)"
    [[ $(grep -c 'it works again' "$(service_log route)") == 1 ]]
}

@test "what a service is not told by its engine waits, and the rest goes on" {
    sql "SET client_min_messages = warning; TRUNCATE distribution_jobs CASCADE"
    stored x 20 -q -d hook
    RULES_ENGINE_URL=$RECEIVER_URL/engine/one/$(answers '{"targets": ["archive"]}')/then/503 service_start route
    wait_until 20 is 1 sql "select count(*) from distribution_deliveries where rule = 'rules-engine'"
    wait_until 20 grep -q 'the rules engine is absent: HTTP 503; trying again until it works' "$(service_log route)"
    [[ $(sql "select string_agg(status || ' ' || n, ', ' order by status) from
              (select status, count(*) n from distribution_jobs group by status) j") == 'pending 19, routed 1' ]]
    service_stop route
    service_start route # what it held was handed back
    wait_until 20 is 0 sql "select count(*) from distribution_jobs where status = 'pending'"
}

@test "a service shows its engine the payload where that is configured, and credentials" {
    sql "SET client_min_messages = warning; TRUNCATE distribution_jobs CASCADE"
    mkdir -p "$DIST_CONFIG_DIR/credentials.d"
    (umask 077 && echo geheim >"$DIST_CONFIG_DIR/credentials.d/engine")
    receiver_reset
    export RULES_ENGINE_PAYLOAD=1 RULES_ENGINE_CREDENTIALS=engine RULES_ENGINE_URL
    RULES_ENGINE_URL=$RECEIVER_URL/engine/payload/$(answers '{"targets": ["hook"]}')
    service_start route
    stored x 1 -q
    wait_until 20 is 1 sql "select count(*) from distribution_deliveries where rule = 'rules-engine'"
    run -0 receiver_requests /engine/payload
    [[ $(jq -r '.headers.authorization' <<<"$output") == 'Bearer geheim' ]] || fail "$output"
    [[ $(jq -r '.size // .body_size // .bytes' <<<"$output") -gt 0 ]]
    run ! grep -q geheim "$(service_log route)"
}
