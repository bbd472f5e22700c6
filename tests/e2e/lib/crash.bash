# kill -9 between every two durable effects: what crash.bats and crash_local.bats share
#
# A group is one adapter with a database, a Redis database and services of its own; the groups run side by side. A
# cell is one point: a process that is armed with it, some reports, its death by SIGKILL, a process without the
# point, and then every report must have ended once. dist-deliver has one delivery in hand at a time, so what is
# sent twice is what was sent when it died. A cell leaves a line "POINT DUPLICATES" or "POINT FAILED" in
# results/GROUP, and what it said in results/GROUP-POINT.

# shellcheck disable=SC2154 # bats sets BATS_FILE_TMPDIR
cells=(
    submit:written submit:committed submit:published
    route:claimed route:saved route:hopped pump:epoch
    transform:claimed transform:kept transform:saved transform:settled transform:hopped transform:finished
    deliver:claimed deliver:sending deliver:sent deliver:recorded deliver:acknowledged
    pump:claimed pump:published replay:chosen replay:committed drop:chosen drop:committed
)
# The one window that nothing can close: the destination has it, and PostgreSQL does not know.
window=deliver:sent

# crash_matrix GROUP...: runs them
crash_matrix() {
    local group number=0 running=()
    sandbox_up
    export DIST_LEASE=2s DIST_SERVER_TIMEOUT=1900ms RESULTS=$BATS_FILE_TMPDIR/results
    mkdir -p "$RESULTS" "$BATS_FILE_TMPDIR/files"
    destinations
    for group; do
        psql -XAtq -h "$DB_HOST" -p "$DB_PORT" -U postgres -d postgres -c "create database \"$group\" owner dist"
        number=$((number + 1)) # here, not in the subshell
        run_group "$group" "$number" >"$RESULTS/$group.log" 2>&1 3>&- 4>&- &
        running+=($!)
    done
    wait "${running[@]}" || true
    tell "$@" >&3
}

destinations() {
    local group log=$BATS_FILE_TMPDIR/exec.log
    : >"$log"
    rest_destination rest /in/rest
    rest_destination poison /in/poison
    rest_destination single /in/single
    rest_destination sick /in/sick/status/503
    rest_destination well /in/well
    destination pair '{"group": ["sick", "well"], "policy": "failover"}'
    destination file '{"protocol": "file", "path": "'"$BATS_FILE_TMPDIR"'/files/{distribution_id}"}'
    # shellcheck disable=SC2016 # for the shell that is the command
    destination exec '{"protocol": "exec", "command":
        ["/bin/sh", "-c", "cat >/dev/null; echo $DIST_DELIVERY_ID >>'"$log"'"]}'
    destination null '{"protocol": "null"}'
    for group in rest poison file exec null; do
        destination "$group-csv" "$(jq -c '. + {format: "csv"}' "$DIST_CONFIG_DIR/destinations.d/$group.json")"
        destination "$group-json" "$(jq -c '. + {format: "json"}' "$DIST_CONFIG_DIR/destinations.d/$group.json")"
    done
}

# run_group GROUP NUMBER: in a shell of its own
run_group() {
    export DB_NAME=$1 REDIS_DB=$2
    group=$1
    tenant acme
    case $group in
        poison) given_up_cells ;;
        single) run_cell single_cell settle:single ;;
        pair) run_cell passed_over_cell pump:recalled ;;
        *)
            export DIST_CONCURRENCY=1
            services_start "route-$group" "transform-$group" "deliver-$group"
            for point in "${cells[@]}"; do
                run_cell "$(kind_of "$point")" "$point"
            done ;;
    esac
}

kind_of() {
    case $1 in
        submit:*) echo submit_cell ;;
        replay:* | drop:* | pump:claimed | pump:published) echo dead_cell ;;
        *) echo stage_cell ;;
    esac
}

# run_cell KIND POINT: a line in the results. In the background, so that set -e holds in it.
run_cell() {
    local code=0 before after
    type=${2/:/-}
    before=$(sent_twice)
    (set -eE; "$@") >"$RESULTS/$group-$2" 2>&1 &
    wait $! || code=$?
    after=$(sent_twice)
    if ((code)); then
        echo "$2 FAILED" >>"$RESULTS/$group"
        for name in route transform deliver; do # the next cell begins as this one did
            service_running "$name-$group" || service_start "$name-$group"
        done
    else
        echo "$2 $((after - before))" >>"$RESULTS/$group"
    fi
}

# --- what a cell is made of ---

# submit NUMBER TARGET [ARGUMENT...]: so many reports of this cell
submit() {
    seq 1 "$1" | jq -c '{n: .}' | dist-submit --tenant acme --type "$type" --to "$2" --ndjson --quiet "${@:3}"
}

# armed POINT COMMAND...: a child of this shell that must be killed; `crashed` waits for it
armed() {
    DIST_CRASH_AT=$1 timeout 40 "${@:2}" </dev/null >>"$RESULTS/$group-$type.log" 2>&1 &
    victim=$!
}

crashed() {
    local code=0
    wait "$victim" || code=$?
    ((code == 137)) || fail "exit code $code rather than death by SIGKILL: $(tail -n 5 "$RESULTS/$group-$type.log")"
}

# jobs STATUS: how many distributions of this cell have it
jobs_in() {
    sql "select count(*) from distribution_jobs where data_type = '$type' and status in ($1)"
}

# sent_twice: at this group's destination, so far
sent_twice() {
    case $group in
        rest | poison | single) echo "$(($(receiver_count "/in/$group") - $(receiver_distinct "/in/$group")))" ;;
        pair) echo "$(($(receiver_count /in/well) - $(receiver_distinct /in/well)))" ;;
        exec) sort "$BATS_FILE_TMPDIR/exec.log" | uniq -d | wc -l ;;
        file) echo 0 ;; # the second time it is there already
        null) dist-admin audit --json 2>/dev/null | jq -rs '.[-1].attempts.delivered_again' ;;
    esac
}

# arrived: how many deliveries the destination has, so far
arrived() {
    case $group in
        rest | poison | single) receiver_distinct "/in/$group" ;;
        pair) receiver_distinct /in/well ;;
        exec) sort -u "$BATS_FILE_TMPDIR/exec.log" | wc -l ;;
        file) find "$BATS_FILE_TMPDIR/files" -type f | wc -l ;;
        null) sql "select count(*) from distribution_deliveries where status = 'delivered'" ;;
    esac
}

# all_well: what is delivered has arrived, and nothing is unaccounted for
all_well() {
    is "$(sql "select count(*) from distribution_deliveries where status = 'delivered'")" arrived
    dist-admin audit
}

# --- the kinds of cells ---

submit_cell() {
    local key=$type output code=0
    output=$(echo '{"n": 1}' | DIST_CRASH_AT=$1 dist-submit --tenant acme --type "$type" --to "$group" \
        --idempotency-key "$key") || code=$?
    ((code == 137))
    [[ -z $output ]]
    # the caller knows nothing, and asks again
    output=$(echo '{"n": 1}' | dist-submit --tenant acme --type "$type" --to "$group" --idempotency-key "$key")
    [[ $output ]]
    wait_until 40 is 1 jobs_in "'completed'"
    all_well
}

stage_cell() {
    local tool=${1%%:*} passes='' bad=0 good=4 target=$group
    [[ $tool != pump ]] || tool=route
    [[ $tool != deliver ]] || passes=:2
    service_stop "$tool-$group" KILL # it is idle, and that is quicker
    [[ $1 != pump:epoch ]] || redis -n "$REDIS_DB" FLUSHDB
    armed "$1$passes" "dist-$tool" --stream
    if [[ $tool == transform ]]; then
        bad=1
        good=6 # two of them become other bytes, which are kept
        target=$group-json # what needs no transformation is not seen there
    fi
    submit 4 "$target"
    if ((bad)); then
        submit 2 "$group-csv"
        echo '<no json>' | dist-submit --tenant acme --type "$type" --to "$group-json" --content-type text/plain --quiet
    fi
    crashed
    service_start "$tool-$group"
    wait_until 40 is "$good" jobs_in "'completed'"
    wait_until 40 is "$bad" jobs_in "'failed'"
    all_well
}

# A dead letter, made by hand where no adapter would refuse: as if workers had crashed on it.
dead_cell() {
    local verb=${1%%:*} id wanted=completed
    [[ $verb != pump ]] || verb=replay
    [[ $verb != drop ]] || wanted=cancelled
    service_stop "deliver-$group" KILL
    submit 1 "$group"
    wait_until 20 is 1 sql "select count(*) from distribution_deliveries d join distribution_jobs j on j.id = d.job_id
        where j.data_type = '$type' and d.status = 'queued'"
    id=$(sql "update distribution_deliveries d set status = 'dead', dead_reason = 'poison', due_at = null
        from distribution_jobs j where j.id = d.job_id and j.data_type = '$type' returning d.id")
    if [[ $1 == pump:* ]]; then
        service_stop "route-$group" KILL
        armed "$1" dist-route --stream
        dist-dlq replay "$id"
        crashed
        service_start "route-$group"
    else
        armed "$1" dist-dlq "$verb" "$id"
        crashed
        [[ $1 != *:chosen ]] || dist-dlq "$verb" "$id" # nothing was done
    fi
    service_start "deliver-$group"
    wait_until 40 is 1 jobs_in "'$wanted'"
    all_well
}

# Three processes die over one entry; the fourth gives it up, and dies of that too.
given_up() {
    local tool=${1%%:*} target=$group
    [[ $tool != transform ]] || target=$group-json
    service_stop "$tool-$group" KILL # it is idle, and that is quicker
    submit 1 "$target"
    for _ in 1 2 3; do
        armed "$tool:claimed" "dist-$tool" --stream
        crashed
    done
    armed "$1" "dist-$tool" --stream
    crashed
    service_start "$tool-$group"
    wait_until 40 is 1 jobs_in "'failed'"
    [[ $(sql "select count(*) from distribution_deliveries d join distribution_jobs j on j.id = d.job_id
        where j.data_type = '$type' and d.dead_reason = 'poison'") == 1 ]]
    all_well
}

given_up_cells() {
    services_start "route-$group" "transform-$group" "deliver-$group"
    run_cell given_up route:given-up
    run_cell given_up transform:given-up
}

# Outcomes that PostgreSQL refuses together are recorded one by one, each in a transaction.
single_cell() {
    services_start "route-$group" "transform-$group"
    sql "create function refuse_many() returns trigger language plpgsql as \$\$ begin
             if (select count(*) from added) > 1 then raise exception 'one by one' using errcode = '22023'; end if;
             return null; end \$\$;
         create trigger refuse_many after insert on distribution_attempts referencing new table as added
             for each statement execute function refuse_many()"
    armed "$1:2" dist-deliver --stream
    submit 40 "$group"
    crashed
    service_start "deliver-$group"
    wait_until 40 is 40 jobs_in "'completed'"
    all_well
}

# The breaker of the first member opens, and what waits for it goes to the second.
passed_over_cell() {
    services_start "transform-$group" "deliver-$group"
    armed "$1" dist-route --stream
    submit 40 pair
    crashed
    service_start "route-$group"
    wait_until 40 is 40 jobs_in "'completed'"
    all_well
}

# tell GROUP...: the matrix of duplicates, a line per group and point
tell() {
    local group
    echo '# duplicates at the destination'
    for group; do
        sed "s/^/#   $group /" "$RESULTS/$group"
    done
}

# held GROUP: no cell failed, and nothing was sent twice but in the window
held() {
    local point duplicates wanted
    for point in "${cells[@]}"; do
        duplicates=$(awk -v point="$point" '$1 == point { print $2 }' "$RESULTS/$1")
        wanted=0
        [[ $point != "$window" || $1 == file || $1 == null ]] || wanted=1
        [[ $duplicates == "$wanted" ]] ||
            fail "$1 $point: '$duplicates' duplicates rather than $wanted"$'\n'"$(tail -n 20 "$RESULTS/$1-$point")"
    done
}
