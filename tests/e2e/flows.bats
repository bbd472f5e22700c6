#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# The two flows of the specification, end to end: intelligent routing (2.1.1) and data transformation (2.1.3), with three
# tenants, ten rules, groups of which a receiver dies, and what went where held against the prediction of --explain

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    export DIST_BREAKER_RECOVERY=60s
    sandbox_up redis postgres
    receiver_launch main
    receiver_launch mortal
    RECEIVER_URL=$(receiver_url main)
    export RECEIVER_URL
    tenant acme beta gamma
    destinations
    schemas
    ten_rules
    services_start
}

teardown_file() {
    services_stop
    receiver_end main
    receiver_end mortal
    sandbox_down
}

destinations() {
    local quick='{"retry_policy": {"max_attempts": 50, "max_backoff": "100ms"}}'
    RECEIVER_URL=$(receiver_url mortal) rest_destination reporter-eu-1 /in/eu1 "$quick"
    rest_destination reporter-eu-2 /in/eu2 "$quick"
    rest_destination reporter-us-1 /in/us1
    rest_destination reporter-us-2 /in/us2
    rest_destination lake /in/lake '{"format": "csv", "compress": "gzip"}'
    rest_destination ledger /in/ledger '{"transform": "{id: .report_id, sum: .metrics.total}", "schema": "ledger.xsd",
        "format": {"type": "xml", "root": "entry"}}'
    rest_destination events /in/events '{"format": "cloudevents"}'
    rest_destination vault /in/vault '{"tenants": ["acme", "gamma"], "schema": "vault.json",
        "transform": "{report_id, period, total: .metrics.total}"}'
    # shellcheck disable=SC2016 # for the template
    rest_destination pager /in/pager '{"format": {"type": "template", "text": "{{report_id}} of {{$tenant}}: {{/metrics/total}}"}}'
    destination eu '{"group": ["reporter-eu-1", "reporter-eu-2"], "policy": "failover"}'
    destination us '{"group": ["reporter-us-1", "reporter-us-2"], "policy": "consistent_hash", "hash_on": ".payload.report_id"}'
}

schemas() {
    mkdir -p "$DIST_CONFIG_DIR/schemas.d"
    echo '{"required": ["report_id", "total"], "properties": {"total": {"type": "number", "minimum": 0}}}' \
        >"$DIST_CONFIG_DIR/schemas.d/vault.json"
    cat >"$DIST_CONFIG_DIR/schemas.d/ledger.xsd" <<'end'
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:element name="entry"><xs:complexType><xs:sequence>
    <xs:element name="id" type="xs:string"/><xs:element name="sum" type="xs:decimal"/>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>
end
}

ten_rules() {
    mkdir -p "$DIST_CONFIG_DIR/rules.d"
    cat >"$DIST_CONFIG_DIR/rules.d/ten.json" <<'end'
[{"name": "tests-stay", "priority": 100, "match": {"metadata": {"environment": ["test"]}}, "to": ["events"], "stop": true},
 {"name": "europe", "priority": 10, "match": {"payload": {"metadata": {"region": [{"prefix": "eu-"}]}}}, "to": ["eu"]},
 {"name": "america", "priority": 10, "match": {"payload": {"metadata": {"region": [{"prefix": "us-"}]}}}, "to": ["us"]},
 {"name": "large", "when": ".payload.metrics.total? // 0 | tonumber? > 1000", "to": ["vault"], "set": {"priority": "high"}},
 {"name": "aggregated", "match": {"data_type": ["aggregated_report"]}, "to": ["ledger"]},
 {"name": "acme-lake", "tenant": "acme", "to": ["lake"]},
 {"name": "beta-events", "tenant": "beta", "match": {"payload": {"period": [{"wildcard": "2024-*"}]}}, "to": ["events"]},
 {"name": "gamma-pager", "tenant": "gamma", "match": {"payload": {"metrics": {"total": [{"numeric": [">", 500]}]}}},
  "to": ["pager"]},
 {"name": "over", "valid_until": "2020-01-01T00:00:00Z", "to": ["pager"]},
 {"name": "not-yet", "enabled": false, "to": ["pager"]}]
end
}

# requests FIRST LAST: distribution requests as in 4.2.1, a line each
requests() {
    jq -nc --argjson first "$1" --argjson last "$2" 'range($first; $last + 1) | . as $n | {
        distribution_id: "flow-\(.)", tenant_id: ["acme", "beta", "gamma"][. % 3],
        data_type: (if . % 2 == 0 then "aggregated_report" else "report" end),
        payload: {report_id: "rpt-\(.)", period: "20\(23 + . % 2)-01", metrics: {total: (. * 97 % 1500)},
                  metadata: {region: ["eu-west", "us-east", "asia"][(. / 3 | floor) % 3]}},
        destinations: (if . % 5 == 0 then [{name: "events"}] else [] end)}
        + (if . % 10 == 7 then {metadata: {environment: "test"}} else {} end)'
}

# predicted: of requests on standard input, "ID TARGET RULE CANDIDATES" for each delivery
predicted() {
    dist-submit --pipe --request --ndjson | dist-route --explain --json |
        jq -r '.distribution_id as $id | .targets[] | "\($id) \(.target) \(.rule // "-") \(.status) \(.candidates | join(","))"' | sort
}

# happened: the same, of what is stored
happened() {
    sql "select j.distribution_id || ' ' || d.target || ' ' || coalesce(d.rule, '-') || ' '
                || case when d.dead_reason = 'unroutable' then 'dead' else 'waiting' end || ' '
                || coalesce((select string_agg(c, ',') from jsonb_array_elements_text(d.candidates) c), '')
         from distribution_deliveries d join distribution_jobs j on j.id = d.job_id" | sort
}

jobs_open() {
    sql "select count(*) from distribution_jobs where status in ('pending', 'routed')"
}

# body PATH: of the newest request to that path
body() {
    cat "$(receiver_requests "$1" | jq -rs --arg dir "$(receiver_bodies main)" '"\($dir)/\(last.seq).body"')"
}

@test "routing: what went where is what explain predicts, also while a receiver is dead" {
    requests 1 45 >"$BATS_TEST_TMPDIR/first"
    requests 46 90 >"$BATS_TEST_TMPDIR/second"
    cat "$BATS_TEST_TMPDIR"/{first,second} | predicted >"$BATS_TEST_TMPDIR/predicted"
    [ "$(cut -d' ' -f1 "$BATS_TEST_TMPDIR/predicted" | uniq | wc -l)" = 90 ]

    dist-submit --request --ndjson --quiet "$BATS_TEST_TMPDIR/first"
    wait_until 30 is 0 jobs_open
    receiver_end mortal
    dist-submit --request --ndjson --quiet "$BATS_TEST_TMPDIR/second"
    wait_until 60 is 0 jobs_open

    # with the dead receiver's breaker open, routing puts it last
    happened | sed 's/ reporter-eu-2,reporter-eu-1$/ reporter-eu-1,reporter-eu-2/' >"$BATS_TEST_TMPDIR/happened"
    diff "$BATS_TEST_TMPDIR/predicted" "$BATS_TEST_TMPDIR/happened"
    # each went to its first candidate that lives; what no rule and no request sends anywhere is told
    [ "$(sql "select count(*) from distribution_deliveries where status <> 'delivered' and dead_reason <> 'unroutable'")" = 0 ]
    [ "$(sql "select count(*) from distribution_deliveries where status = 'delivered' and not candidates ? last_destination")" = 0 ]
    [ "$(sql "select string_agg(distinct last_destination, ',') from distribution_deliveries d join distribution_jobs j
        on j.id = d.job_id where target = 'eu' and replace(j.distribution_id, 'flow-', '')::int > 45")" = reporter-eu-2 ]
    [ "$(sql "select bool_and(d.priority = 'high') from distribution_deliveries d where d.target = 'vault'")" = t ]
    sql "select count(*) from distribution_deliveries where target = 'vault' and tenant_id = 'beta' and dead_reason = 'unroutable'" |
        grep -qx '[1-9][0-9]*'
    # and the receivers have what the rows say
    for path in eu2 us1 us2 lake ledger events vault pager; do
        [ "$(receiver_distinct "/in/$path")" = "$(sql "select count(*) from distribution_deliveries where status = 'delivered'
            and last_destination in ('$path', 'reporter-' || left('$path', 2) || '-' || right('$path', 1))")" ] || fail "$path"
    done
    dist-admin audit
}

@test "transformation: each consumer has its format, and what does not fit a schema is told, mended and replayed" {
    local id
    jq -nc '{distribution_id: "form-1", tenant_id: "acme", data_type: "aggregated_report", destinations: [{name: "pager"}, {name: "events"}],
             payload: {report_id: "rpt-1", period: "2024-01", metrics: {total: 1200}, metadata: {region: "us-east"}}}' |
        dist-submit --request --quiet
    wait_until 20 is 0 jobs_open
    [ "$(body /in/ledger)" = $'<?xml version="1.0" encoding="utf-8"?>\n<entry><id>rpt-1</id><sum>1200</sum></entry>' ]
    [ "$(body /in/vault)" = '{"report_id":"rpt-1","period":"2024-01","total":1200}' ]
    [ "$(body /in/pager)" = 'rpt-1 of acme: 1200' ]
    [ "$(body /in/lake | gunzip | head -n 1)" = $'report_id,period,metrics,metadata\r' ]
    body /in/events | jq -e '.specversion == "1.0" and .type == "aggregated_report" and .data.metrics.total == 1200'

    # a total that is no number: the ledger's XML and the vault's JSON are refused, the others go
    jq -nc '{distribution_id: "form-2", tenant_id: "acme", data_type: "aggregated_report", destinations: [{name: "pager"}, {name: "vault"}],
             payload: {report_id: "rpt-2", period: "2024-01", metrics: {total: "1200 EUR"}, metadata: {region: "us-east"}}}' |
        dist-submit --request --quiet
    wait_until 20 is 0 jobs_open
    [ "$(body /in/pager)" = 'rpt-2 of acme: 1200 EUR' ]
    run -0 dist-dlq list --json --reason schema form-2
    [ "$(jq -rs 'map(.target) | sort | join(" ")' <<<"$output")" = 'ledger vault' ]
    jq -se 'map(select(.target == "vault"))[0].error | contains("/total: ") and contains("vault.json#/properties/total/type")' <<<"$output"
    jq -se 'map(select(.target == "ledger"))[0].error | contains("ledger.xsd")' <<<"$output"

    # the programs are mended, and a replay transforms anew
    for id in ledger vault; do
        destination "$id" "$(jq -c '.transform |= sub("\\.metrics\\.total"; ".metrics.total | tostring | rtrimstr(\" EUR\") | tonumber")' \
            "$DIST_CONFIG_DIR/destinations.d/$id.json")"
    done
    for id in route transform deliver; do
        kill -HUP "$(service_pid "$id")"
        wait_until 10 grep -q 'read again' "$(service_log "$id")"
    done
    dist-dlq list --json --reason schema form-2 | dist-dlq replay --yes --why 'the total had its currency' -
    wait_until 20 is 0 jobs_open
    [ "$(sql "select status from distribution_jobs where distribution_id = 'form-2'")" = completed ]
    [ "$(body /in/ledger | tail -n 1)" = '<entry><id>rpt-2</id><sum>1200</sum></entry>' ]
    [ "$(body /in/vault)" = '{"report_id":"rpt-2","period":"2024-01","total":1200}' ]
    dist-admin audit
}
