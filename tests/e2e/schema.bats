#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output, stderr and status
# Schemas: what reports must fit to be accepted, and what is sent

bats_require_minimum_version 1.5.0
load lib/common

setup_file() {
    sandbox_up
    tenant acme umbrella
    mkdir -p "$DIST_CONFIG_DIR/schemas.d"
    rest_destination hook /in/hook
    order_schemas
    require '[{"tenant": "acme", "data_type": "order", "schema": "order.json"},
              {"data_type": "bill", "schema": "bill.xsd"}]'
}

teardown_file() {
    services_stop
    sandbox_down
}

# schema NAME: its file, from standard input
schema() {
    cat >"$DIST_CONFIG_DIR/schemas.d/$1"
}

# require JSON: which reports must fit which schema
require() {
    printf '%s\n' "$1" >"$DIST_CONFIG_DIR/schemas.json"
}

order_schemas() {
    schema order.json <<'SCHEMA'
{
  "properties": {
    "items": {"type": "array", "items": {"$ref": "parts.json#/$defs/item"}}
  },
  "required": ["items"]
}
SCHEMA
    schema parts.json <<'SCHEMA'
{"$defs": {"item": {"properties": {"price": {"type": "number"}}, "required": ["price"]}}}
SCHEMA
    schema bill.xsd <<'SCHEMA'
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:include schemaLocation="money.xsd"/>
  <xs:element name="bill">
    <xs:complexType><xs:sequence><xs:element name="sum" type="money"/></xs:sequence></xs:complexType>
  </xs:element>
</xs:schema>
SCHEMA
    schema money.xsd <<'SCHEMA'
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:simpleType name="money"><xs:restriction base="xs:decimal"/></xs:simpleType>
</xs:schema>
SCHEMA
}

# submit TYPE ARGUMENT...: of tenant acme
submit() {
    dist-submit --tenant acme --type "$1" --to hook "${@:2}"
}

# reload: all services read the configuration again
reload() {
    local name before
    for name in route transform deliver; do
        before=$(grep -c 'read again' "$(service_log "$name")" || true)
        kill -HUP "$(service_pid "$name")"
        wait_until 10 is $((before + 1)) grep -c 'read again' "$(service_log "$name")"
    done
}

# through ARGUMENT...: a submission through the stages as filters; delivery results go to $BATS_TEST_TMPDIR/out
through() {
    dist-submit --tenant acme --type "$@" --pipe | dist-route | dist-transform >"$BATS_TEST_TMPDIR/out"
}

# died REASON TEXT: the only envelope of `through` is a dead one
died() {
    jq -e --arg reason "$1" --arg text "$2" \
        '.status == "dead" and .dead_reason == $reason and (.error | contains($text))' "$BATS_TEST_TMPDIR/out" ||
        fail "$(cat "$BATS_TEST_TMPDIR/out")"
}

# stored: how many distributions there are
stored() {
    sql 'select count(*) from distribution_jobs'
}

# --- at submit ---

@test "a report that does not fit what its tenant and type require is refused with its mistakes, before it is stored" {
    local before
    before=$(stored)
    run -65 --separate-stderr submit order <<<'{"items": [{"price": 1}, {"price": "SECRET"}, {}]}'
    [[ ! $output ]]
    [[ $stderr == *"stdin: the report does not fit its schema: /items/1/price: is a string, a number is wanted \
(parts.json#/\$defs/item/properties/price/type); /items/2: the member \"price\" is missing \
(parts.json#/\$defs/item/required)"* ]]
    [[ $stderr != *SECRET* ]]
    [ "$(stored)" = "$before" ]
    run -0 submit order <<<'{"items": [{"price": 1}]}'
    [ "$(stored)" = $((before + 1)) ]
    run -0 dist-submit --tenant umbrella --type order --to hook <<<'{"items": 5}'
    run -0 submit other <<<'{"items": 5}'
}

@test "a record that does not fit is refused with its line, and the others go on, in a pipe too" {
    local out=$BATS_TEST_TMPDIR/out
    printf '%s\n' '{"items": []}' '{"items": 5}' '{"items": [{"price": 2}]}' >"$BATS_TEST_TMPDIR/in"
    run -1 --separate-stderr submit order --ndjson "$BATS_TEST_TMPDIR/in"
    [ "$(wc -l <<<"$output")" = 2 ]
    [[ $stderr == *"/in:2: the report does not fit its schema: /items: is an integer, an array is wanted"* ]]
    DB_HOST=/nowhere REDIS_HOST=/nowhere submit order --ndjson --pipe "$BATS_TEST_TMPDIR/in" >"$out" || [ $? = 1 ]
    [ "$(jq -s length "$out")" = 2 ]
    run -65 submit order --dry-run <<<'{"items": 5}'
}

@test "a whole request is held against the schema by its payload" {
    jq -nc '{tenant_id: "acme", data_type: "order", destinations: ["hook"], payload: {items: 5}}' \
        >"$BATS_TEST_TMPDIR/request"
    run -65 --separate-stderr dist-submit --request "$BATS_TEST_TMPDIR/request"
    [[ $stderr == *"the report does not fit its schema: /items: is an integer"* ]]
}

@test "an XML report is held against an XML Schema, and what is no XML is refused" {
    run -0 submit bill --content-type application/xml <<<'<bill><sum>1.50</sum></bill>'
    run -65 --separate-stderr submit bill --content-type text/xml <<<'<bill><sum>SECRET</sum></bill>'
    [[ $stderr == *"/bill/sum: the value is not a valid value of the atomic type 'money' (bill.xsd)"* ]]
    [[ $stderr != *SECRET* ]]
    run -65 --separate-stderr submit bill --content-type text/xml <<<'<!DOCTYPE bill [<!ENTITY a "b">]><bill/>'
    [[ $stderr == *"a DOCTYPE is not taken"* ]]
    run -65 --separate-stderr submit bill <<<'{}'
    [[ $stderr == *"it is application/json, and the schema bill.xsd is for XML"* ]]
}

@test "values are told where DIST_SCHEMA_VALUES says so" {
    export DIST_SCHEMA_VALUES=show
    run -65 --separate-stderr submit order --dry-run <<<'{"items": [{"price": "SECRET"}]}'
    [[ $stderr == *'/items/0/price: is "SECRET", a number is wanted'* ]]
    run -65 --separate-stderr submit bill --dry-run --content-type text/xml <<<'<bill><sum>SECRET</sum></bill>'
    [[ $stderr == *"/bill/sum: 'SECRET' is not a valid value"* ]]
}

@test "every mistake in schemas.d and schemas.json is told in one run, and nothing is submitted by them" {
    config_fresh
    mkdir "$DIST_CONFIG_DIR/schemas.d"
    rest_destination hook /in/hook
    run -0 dist-admin config --check
    printf '{\n"type": "nubmer"}' | schema a.json
    schema b.xsd <<<'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:include schemaLocation="http://127.0.0.1:1/c.xsd"/></xs:schema>'
    # shellcheck disable=SC2016 # of JSON
    schema c.json <<<'{"$ref": "file:///etc/passwd"}'
    echo 'no schema' >"$DIST_CONFIG_DIR/schemas.d/README"
    mkfifo "$DIST_CONFIG_DIR/schemas.d/d.json"
    require '[{"tenant": "acme", "schema": "a.jsn"},
              {"tenant": "acme", "schema": "e.json"}]'
    run -78 --separate-stderr dist-admin config --check
    [[ $stderr == *'schemas.d/a.json: line 2: /type: "nubmer" is no type; did you mean '"'number'?"* ]]
    [[ $stderr == *'schemas.d/b.xsd: line 1: schemaLocation "http://127.0.0.1:1/c.xsd" is none of'* ]]
    # shellcheck disable=SC2016 # of JSON
    [[ $stderr == *'schemas.d/c.json: line 1: /$ref: no schema is known as "file:///etc/passwd"'* ]]
    [[ $stderr == *"schemas.d/d.json: is no regular file"* ]]
    [[ $stderr == *"schemas.json: line 1: /0/schema: the name of a file of schemas.d is wanted"* ]]
    [[ $stderr == *"schemas.json: line 2: /1/schema: there is no schema 'e.json' in schemas.d"* ]]
    run -78 --separate-stderr submit other --dry-run <<<'{}'
    [[ $stderr == *"$DIST_CONFIG_DIR has 6 mistakes"* ]]
}

# --- what is sent ---

@test "the value that a format gets is held against a JSON Schema, and what does not fit is a dead letter" {
    rest_destination rows /in/rows '{"transform": ".rows", "format": "csv", "schema": "rows.json"}'
    schema rows.json <<<'{"type": "array", "items": {"properties": {"used": {"type": "number"}}}}'
    through report --to rows <<<'{"rows": [{"used": 1}]}'
    jq -e '.status == "waiting" and (.output.body // .outputs[0].body) == "used\r\n1\r\n"' "$BATS_TEST_TMPDIR/out" ||
        fail "$(cat "$BATS_TEST_TMPDIR/out")"
    through report --to rows <<<'{"rows": [{"used": 1}, {"used": "SECRET"}]}'
    died schema '/1/used: is a string, a number is wanted (rows.json#/items/properties/used/type)'
    run ! grep SECRET <(jq -r .error "$BATS_TEST_TMPDIR/out")
    through report --to rows <<<'{"rows": 5}'
    died schema 'is an integer, an array is wanted (rows.json#/type)'
    through report --to rows <<<'[]'
    died transform 'transform'
}

@test "a body that is sent as it came is held against a schema of its kind, compressed or not" {
    rest_destination plain /in/plain '{"schema": "order.json"}'
    rest_destination packed /in/packed '{"schema": "order.json", "compress": "gzip"}'
    rest_destination bills /in/bills '{"schema": "bill.xsd", "format": "raw"}'
    for to in plain packed; do
        through report --to "$to" <<<'{"items": [{"price":   1}]}'
        jq -e '.status == "waiting"' "$BATS_TEST_TMPDIR/out"
        through report --to "$to" <<<'{"items": 5}'
        died schema '/items: is an integer, an array is wanted'
        through report --to "$to" --content-type text/csv <<<'a,b'
        died schema 'it is text/csv, and the schema order.json is for JSON'
    done
    through report --to bills --content-type text/xml <<<'<bill><sum>1</sum></bill>'
    jq -e '.status == "waiting"' "$BATS_TEST_TMPDIR/out"
    through report --to bills --content-type text/xml <<<'<bill><sum>x</sum></bill>'
    died schema "/bill/sum: the value is not a valid value of the atomic type 'money' (bill.xsd)"
}

@test "what the formats xml and soap write is held against an XML Schema" {
    rest_destination xml /in/xml '{"format": {"type": "xml", "root": "bill"}, "schema": "bill.xsd"}'
    through report --to xml <<<'{"sum": 1.5}'
    jq -e '.status == "waiting"' "$BATS_TEST_TMPDIR/out" || fail "$(cat "$BATS_TEST_TMPDIR/out")"
    through report --to xml <<<'{"sum": "much"}'
    died schema "/bill/sum: the value is not a valid value of the atomic type 'money' (bill.xsd)"
    through report --to xml <<<'{"sum": 1, "more": 2}'
    died schema "/bill/more: This element is not expected (bill.xsd)"
}

@test "a destination or a rule with a schema that is not there is a mistake" {
    config_fresh
    mkdir -p "$DIST_CONFIG_DIR"/{schemas,rules}.d
    schema order.json <<<'{}'
    rest_destination odd /in/odd '{"schema": "ordr.json"}'
    run -78 --separate-stderr dist-admin config --check
    [[ $stderr == *"destinations.d/odd.json: destination 'odd': /schema: there is no schema 'ordr.json' in schemas.d; \
did you mean 'order.json'?"* ]]
    run -78 dist-transform --check
    rest_destination odd /in/odd
    echo '{"name": "r", "match": {"data_type": ["t"]}, "to": ["odd"], "rendering": {"schema": "odr.json"}}' \
        >"$DIST_CONFIG_DIR/rules.d/r.json"
    run -78 --separate-stderr dist-admin config --check
    [[ $stderr == *"rules.d/r.json:1: /rendering/schema: there is no schema 'odr.json'"* ]]
}

@test "an output that does not fit is a dead letter of the class schema, and is delivered once it is mended and replayed" {
    rest_destination strict /in/strict '{"transform": ".items", "schema": "rows.json"}'
    schema rows.json <<<'{"type": "array", "items": {"properties": {"price": {"type": "number"}}}}'
    services_start
    id=$(dist-submit --tenant acme --type report --to strict <<<'{"items": [{"price": "SECRET"}]}')
    run -1 dist-status --wait --timeout 20s "$id"
    run -0 dist-dlq list --json --reason schema "$id"
    jq -e '.reason == "schema" and .attempts == 0 and
        (.error | contains("/0/price: is a string, a number is wanted (rows.json#"))' <<<"$output" || fail "$output"
    [[ $output != *SECRET* ]]
    delivery=$(jq -r .delivery_id <<<"$output")
    run -1 dist-dlq list --reason transform "$id"
    run -0 dist-dlq replay "$delivery"
    run -1 dist-status --wait --timeout 20s "$id"
    schema rows.json <<<'{"type": "array", "items": {"properties": {"price": {"type": ["number", "string"]}}}}'
    reload
    run -0 dist-dlq replay "$delivery"
    run -0 dist-status --wait --timeout 20s "$id"
    [ "$(receiver_requests /in/strict | jq -r .body_sha256)" = "$(printf '[{"price":"SECRET"}]' | sha256sum | cut -d' ' -f1)" ]
    run ! grep -h SECRET "$BATS_FILE_TMPDIR"/services/*.log
}

@test "a schema that is broken at a SIGHUP is refused whole: the old ones stay" {
    rest_destination steady /in/steady '{"schema": "steady.json"}'
    schema steady.json <<<'{"required": ["a"]}'
    reload
    schema steady.json <<<'{"required": 5}'
    kill -HUP "$(service_pid transform)"
    wait_until 10 grep -q 'steady.json: line 1: /required' "$(service_log transform)"
    id=$(DIST_CONFIG_DIR=$(old_config) dist-submit --tenant acme --type report --to steady <<<'{"a": 1}')
    run -0 dist-status --wait --timeout 20s "$id"
    id=$(DIST_CONFIG_DIR=$(old_config) dist-submit --tenant acme --type report --to steady <<<'{"b": 1}')
    run -1 dist-status --wait --timeout 20s "$id"
    [ "$(receiver_count /in/steady)" = 1 ]
    schema steady.json <<<'{}'
    reload
}

# old_config: a copy of the configuration in which steady.json is good, for dist-submit, which reads it anew
old_config() {
    rm -rf "$BATS_TEST_TMPDIR/old"
    cp -r "$DIST_CONFIG_DIR" "$BATS_TEST_TMPDIR/old"
    echo '{}' >"$BATS_TEST_TMPDIR/old/schemas.d/steady.json"
    echo "$BATS_TEST_TMPDIR/old"
}

@test "--once holds what it sends against the schema" {
    rest_destination once /in/once '{"schema": "order.json"}'
    run -0 dist-deliver --once --destination once <<<'{"items": []}'
    run -65 --separate-stderr dist-deliver --once --destination once <<<'{"items": 5}'
    jq -e '.status == "dead" and .dead_reason == "schema"' <<<"$output"
    [[ $stderr == *"/items: is an integer, an array is wanted (order.json#/properties/items/type)"* ]]
}

# page_blocks: the literal blocks of dist-schema(7) with "file: NAME" before them, into those files; the one with
# "run" as a command in ./run and what it says in ./says
page_blocks() {
    sed "s/\\\\(aq/'/g" "$ROOT/man/dist-schema.7" | awk '
        /^\.\\" file: / { file = $3; next }
        /^\.\\" run/ { file = "run"; next }
        /^\.Bd / { on = file != ""; next }
        /^\.Ed/ { on = 0; file = ""; next }
        !on { next }
        file == "run" && /^dist-submit: / { print > "says"; next }
        { sub(/^\$ /, ""); print > file }'
}

@test "the example of dist-schema(7) does what it says" {
    config_fresh
    mkdir "$DIST_CONFIG_DIR/schemas.d"
    rest_destination ops-hook /in/ops
    cd "$DIST_CONFIG_DIR"
    page_blocks
    [[ -s schemas.d/order.json && -s schemas.d/item.json && -s schemas.json && -s run ]]
    run -65 --separate-stderr bash run
    [ "$stderr" = "$(cat says)" ] || fail "$stderr"
}
