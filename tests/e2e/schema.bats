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
    schema c.json <<<'{"$ref": "file:///etc/passwd"}'
    echo 'no schema' >"$DIST_CONFIG_DIR/schemas.d/README"
    mkfifo "$DIST_CONFIG_DIR/schemas.d/d.json"
    require '[{"tenant": "acme", "schema": "a.jsn"},
              {"tenant": "acme", "schema": "e.json"}]'
    run -78 --separate-stderr dist-admin config --check
    [[ $stderr == *'schemas.d/a.json: line 2: /type: "nubmer" is no type; did you mean '"'number'?"* ]]
    [[ $stderr == *'schemas.d/b.xsd: line 1: schemaLocation "http://127.0.0.1:1/c.xsd" is none of'* ]]
    [[ $stderr == *'schemas.d/c.json: line 1: /$ref: no schema is known as "file:///etc/passwd"'* ]]
    [[ $stderr == *"schemas.d/d.json: is no regular file"* ]]
    [[ $stderr == *"schemas.json: line 1: /0/schema: the name of a file of schemas.d is wanted"* ]]
    [[ $stderr == *"schemas.json: line 2: /1/schema: there is no schema 'e.json' in schemas.d"* ]]
    run -78 --separate-stderr submit other --dry-run <<<'{}'
    [[ $stderr == *"/schemas.d and $DIST_CONFIG_DIR/schemas.json have 6 mistakes"* ]]
}
