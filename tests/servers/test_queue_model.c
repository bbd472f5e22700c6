/*
 * A model test of queue.c: publishers, workers, lost workers, claims that were taken over, wiped data and a
 * reconciler in random order, over several partitions (DIST_TEST_SEED repeats a run).
 */
#include "queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rng.h"
#include "xalloc.h"

enum {
    MODEL_STEPS_EXACT = 10000,
    MODEL_STEPS = 16000, /* some five seconds */
    MODEL_JOBS = 4000,
    MODEL_FANOUT = 3,
    MODEL_IDS = MODEL_JOBS * (MODEL_FANOUT + 1),
    MODEL_WORKERS = 4,
    MODEL_PARTITIONS = 3,
};

/* What PostgreSQL knows of an id, and whose it is in Redis: the claim that must hold. */
struct row {
    bool exists, done;
    int sent;
    bool held;
    int owner, crashes;
    char entry[32];
};

struct held {
    struct queue_claim claim;
    int owner;
};

struct model {
    struct scene *s;
    struct queue *workers[MODEL_WORKERS];
    struct row *rows; /* job j is row j * (FANOUT + 1), its deliveries follow */
    struct held *held;
    size_t held_count, held_cap;
    int jobs, oldest; /* rows before `oldest` are done */
    uint64_t random;
    bool exact; /* so far no fault that makes `held` of a row unsure */
    long stolen, wiped, stale, duplicates, damages;
};

static int dice(struct model *m, int sides)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (int)((m->random >> 20) % (uint64_t)sides);
}

static struct row *row_of(struct model *m, const char *id)
{
    return &m->rows[strtol(id + 1, NULL, 10)];
}

static bool holds(struct model *m, const struct held *held)
{
    const struct row *row = row_of(m, held->claim.id);

    return row->held && row->owner == held->owner && row->crashes == held->claim.crashes &&
           strcmp(row->entry, held->claim.entry) == 0;
}

static void model_hold(struct model *m, int owner, struct queue_claims *claims)
{
    for (size_t i = 0; i < claims->count; i++) {
        struct row *row = row_of(m, claims->items[i].id);

        if (m->held_count == m->held_cap) {
            m->held_cap = m->held_cap ? 2 * m->held_cap : 64;
            m->held = xreallocarray(m->held, m->held_cap, sizeof *m->held);
        }
        queue_claim_copy(&m->held[m->held_count].claim, &claims->items[i]);
        m->held[m->held_count++].owner = owner;
        row->held = true;
        row->owner = owner;
        row->crashes = claims->items[i].crashes;
        snprintf(row->entry, sizeof row->entry, "%s", claims->items[i].entry);
    }
    queue_claims_release(claims);
}

static void model_forget(struct model *m, size_t i)
{
    queue_claim_release(&m->held[i].claim);
    m->held[i] = m->held[--m->held_count];
}

static void model_lane(char lane[32], int row)
{
    snprintf(lane, 32, "web%d:t%d:normal", row % 3, row % 2);
}

static void model_early_lane(char lane[32], int row)
{
    snprintf(lane, 32, "t%d:normal", row % 2);
}

/* A row's id, and the partition of its job. */
static struct queue_item model_item(struct model *m, int row, char id[16])
{
    char job[16];

    snprintf(job, sizeof job, "j%d", row - row % (MODEL_FANOUT + 1));
    snprintf(id, 16, "%c%d", row % (MODEL_FANOUT + 1) == 0 ? 'j' : 'd', row);
    return (struct queue_item){.id = id, .partition = queue_partition(m->workers[0], job)};
}

static void model_publish(struct model *m, int row, size_t ceiling)
{
    struct scene *s = m->s;
    enum queue_stage stage = row % (MODEL_FANOUT + 1) == 0 ? QUEUE_SUBMITTED : QUEUE_ROUTED;
    char id[16], lane[32];
    struct queue_item item = model_item(m, row, id);

    model_early_lane(lane, row);
    item.lane = lane;
    OK(queue_publish(m->workers[0], stage, &item, 1, ceiling, NULL, &s->fault));
}

static void model_reconcile(struct model *m, int share)
{
    int end = m->jobs * (MODEL_FANOUT + 1);

    for (int row = m->oldest; row < end; row++) {
        if (m->rows[row].exists && !m->rows[row].done && dice(m, share) == 0)
            model_publish(m, row, share > 1 ? 4 : 0);
        if (row == m->oldest && (!m->rows[row].exists || m->rows[row].done) &&
            row / (MODEL_FANOUT + 1) < m->jobs - 1)
            m->oldest++;
    }
}

/* From a few lanes, whether there is something in them or not. */
static void model_fetch(struct model *m)
{
    struct scene *s = m->s;
    struct queue_claims claims = {0};
    int owner = dice(m, MODEL_WORKERS), dots = dice(m, 4);
    enum queue_stage stage = dots < QUEUE_READY ? (enum queue_stage)dots : QUEUE_READY;
    struct queue_want wants[6];
    char lanes[6][32];
    size_t count = (size_t)dice(m, 6) + 1;

    for (size_t i = 0; i < count; i++) {
        if (stage == QUEUE_READY)
            model_lane(lanes[i], dice(m, 6));
        else
            model_early_lane(lanes[i], dice(m, 2));
        wants[i] = (struct queue_want){
            .lane = lanes[i], .partition = (unsigned)dice(m, MODEL_PARTITIONS), .count = (size_t)dice(m, 4)};
    }
    OK(queue_fetch(m->workers[owner], stage, wants, count, &claims, &s->fault));
    model_hold(m, owner, &claims);
}

/* All there is in one stage. */
static void model_fetch_all(struct model *m, enum queue_stage stage)
{
    struct scene *s = m->s;
    struct queue_claims claims = {0};
    int owner = dice(m, MODEL_WORKERS);
    struct queue_lane *lanes;
    struct queue_want *wants;
    size_t count;

    OK(queue_lanes(m->workers[owner], stage, &lanes, &count, &s->fault));
    wants = xcalloc(count + 1, sizeof *wants);
    for (size_t i = 0; i < count; i++)
        wants[i] = (struct queue_want){.lane = lanes[i].name, .partition = lanes[i].partition, .count = 500};
    OK(queue_fetch(m->workers[owner], stage, wants, count, &claims, &s->fault));
    model_hold(m, owner, &claims);
    queue_lanes_free(lanes, count);
    free(wants);
}

/* Somebody cancels, and somebody asks where an id is. Both know who is held. */
static void model_ask(struct model *m)
{
    struct scene *s = m->s;
    int row = dice(m, m->jobs * (MODEL_FANOUT + 1));
    char id[16];
    struct queue_item item = model_item(m, row, id);
    struct queue_place place;
    bool recalled;

    OK(queue_find(m->workers[0], &item, &place, &s->fault));
    if (m->exact)
        assert_int_equal(place.claimed, m->rows[row].held);
    free(place.stream);
    OK(queue_recall(m->workers[0], &item, 1, &recalled, &s->fault));
    if (m->exact)
        assert_int_equal(recalled, !m->rows[row].held);
    OK(queue_find(m->workers[0], &item, &place, &s->fault));
    assert_int_equal(place.stream == NULL, recalled);
    free(place.stream);
}

static void model_reap(struct model *m, int64_t idle_ms)
{
    struct scene *s = m->s;
    struct queue_claims claims = {0};
    int owner = dice(m, MODEL_WORKERS);

    OK(queue_reap(m->workers[owner], (enum queue_stage)dice(m, QUEUE_STAGE_COUNT), idle_ms,
                  (size_t)dice(m, 20) + 1, &claims, &s->fault));
    m->stolen += (long)claims.count;
    model_hold(m, owner, &claims);
}

/* The id has left the place that the claim names. */
static void model_settled(struct model *m, const struct held *held, bool whoever)
{
    if (whoever || holds(m, held))
        row_of(m, held->claim.id)->held = false;
}

static void model_hop(struct model *m, const struct held *held)
{
    struct scene *s = m->s;
    struct row *row = row_of(m, held->claim.id);
    int number = (int)(row - m->rows);
    struct queue_item items[MODEL_FANOUT];
    char ids[MODEL_FANOUT][16], early[MODEL_FANOUT][32], lane[32];
    struct queue_hop go = {.claim = &held->claim, .items = items};

    if (held->claim.id[0] == 'j') {
        row->done = true; /* the commit: deliveries exist from now on */
        go.stage = QUEUE_ROUTED;
        for (int i = 0; i < MODEL_FANOUT; i++) {
            row[i + 1].exists = true;
            snprintf(ids[i], sizeof ids[i], "d%d", number + i + 1);
            model_early_lane(early[i], number + i + 1);
            items[go.count++] = (struct queue_item){.id = ids[i], .lane = early[i], .partition = 63};
        }
        if (dice(m, 10) == 0)
            return; /* killed after the commit */
    } else {
        go.stage = QUEUE_READY;
        model_lane(lane, number);
        items[go.count++] = (struct queue_item){.id = held->claim.id, .lane = lane};
    }
    OK(queue_hops(m->workers[held->owner], &go, 1, &s->fault));
    model_settled(m, held, false);
}

/* One attempt of a delivery in its lane; killed at each gap now and then. */
static void model_deliver(struct model *m, const struct held *held, int kill)
{
    struct row *row = row_of(m, held->claim.id);
    bool success = dice(m, 3) > 0;

    if (dice(m, kill) == 0)
        return;
    row->sent += success;
    if (dice(m, kill) == 0)
        return;
    row->done |= success;
    if (dice(m, kill) == 0)
        return;
    finish(m->s, m->workers[held->owner], &held->claim, success);
    model_settled(m, held, success);
}

static void model_work(struct model *m, int kill)
{
    size_t i;
    struct held *held;
    struct queue *queue;

    if (m->held_count == 0)
        return;
    i = (size_t)dice(m, (int)m->held_count);
    held = &m->held[i];
    queue = m->workers[held->owner];
    m->stale += !holds(m, held);
    if (dice(m, 8) == 0) {
        assert_int_equal(lost(m->s, queue, &held->claim),
                         m->exact ? !holds(m, held) : lost(m->s, queue, &held->claim));
        return;
    }
    if (row_of(m, held->claim.id)->done) {
        finish(m->s, queue, &held->claim, true);
        model_settled(m, held, true);
    } else if (dice(m, 10) == 0) {
        release(m->s, queue, &held->claim);
        model_settled(m, held, false);
    } else if (strstr(held->claim.stream, ":ready:")) {
        model_deliver(m, held, kill);
    } else if (dice(m, kill) > 0) {
        model_hop(m, held);
    }
    model_forget(m, i);
}

static void model_wipe(struct model *m)
{
    for (int row = 0; row < m->jobs * (MODEL_FANOUT + 1); row++)
        m->rows[row].held = false;
    m->wiped++;
    RUN(m->workers[0], "FLUSHALL");
}

/* Somebody deletes keys: entries without records, records without entries, streams without groups. */
static void model_damage(struct model *m)
{
    int partition = dice(m, MODEL_PARTITIONS), row = dice(m, m->jobs * (MODEL_FANOUT + 1));
    char key[96], other[96], lane[32], id[16];
    struct queue_item item = model_item(m, row, id);

    m->damages += 20; /* a deleted stream may leave that many, and mostly leaves none */
    model_lane(lane, dice(m, 6));
    snprintf(key, sizeof key, "dist:{%d}:ready:%s", partition, lane);
    switch (dice(m, 5)) {
    case 0:
        RUN(m->workers[0], "DEL", key);
        break;
    case 1:
        snprintf(key, sizeof key, "dist:{%d}:lanes:%s", partition, queue_stage_names[row % 3]);
        snprintf(other, sizeof other, "dist:{%d}:bell:ready", partition);
        RUN(m->workers[0], "DEL", key, other);
        break;
    case 2:
        if (RUN(m->workers[0], "EXISTS", key))
            RUN(m->workers[0], "XGROUP", "DESTROY", key, "dist");
        break;
    case 3:
        model_early_lane(lane, row);
        snprintf(key, sizeof key, "dist:{%d}:routed:%s", partition, lane);
        RUN(m->workers[0], "XTRIM", key, "MAXLEN", "=", "2");
        break;
    default:
        snprintf(key, sizeof key, "dist:{%u}:d:%s", item.partition, id);
        RUN(m->workers[0], "DEL", key);
    }
}

/* Records and entries one to one, pending as many as are held, lanes and bells of streams that exist, all in
 * one partition. */
static void model_check(struct model *m)
{
    static const char check[] =
        "local n, entries, pending = 0, 0, 0\n"
        "for _, k in ipairs(redis.call('KEYS', '*')) do\n"
        "  local p, name = string.match(k, '^(dist:{[012]}:)(.*)$')\n"
        "  if not p then return redis.error_reply('key ' .. k) end\n"
        "  local stage, lane = string.match(name, '^(%a+):(.*)$')\n"
        "  if stage == 'd' then n = n + 1\n"
        "    local e, s = string.match(redis.call('GET', k), '^%d+ (%d+%-%d+) %S* (%S+)$')\n"
        "    if string.sub(s, 1, #p) ~= p then return redis.error_reply('elsewhere ' .. k) end\n"
        "    local r = redis.call('XRANGE', s, e, e)[1]\n"
        "    if not r or p .. 'd:' .. r[2][2] ~= k then return redis.error_reply('record ' .. k) end\n"
        "  elseif redis.call('TYPE', k).ok == 'stream' then\n"
        "    entries = entries + redis.call('XLEN', k)\n"
        "    pending = pending + redis.call('XPENDING', k, 'dist')[1]\n"
        "    if redis.call('SISMEMBER', p .. 'lanes:' .. stage, lane) == 0 then\n"
        "      return redis.error_reply('not listed ' .. k) end\n"
        "  elseif redis.call('TYPE', k).ok == 'zset' then\n"
        "    for _, s in ipairs(redis.call('ZRANGE', k, 0, -1)) do\n"
        "      if redis.call('EXISTS', s) == 0 then return redis.error_reply('bell ' .. s) end end\n"
        "  elseif stage == 'lanes' then\n"
        "    for _, l in ipairs(redis.call('SMEMBERS', k)) do\n"
        "      if redis.call('EXISTS', p .. lane .. ':' .. l) == 0 then return redis.error_reply('lane ' .. "
        "l) "
        "end end\n"
        "  else return redis.error_reply('key ' .. k) end\n"
        "end\n"
        "if n ~= entries then return redis.error_reply(n .. ' records, ' .. entries .. ' entries') end\n"
        "return pending\n";
    int held = 0;

    for (int row = 0; row < m->jobs * (MODEL_FANOUT + 1); row++)
        held += m->rows[row].held;
    assert_int_equal(RUN(m->workers[0], "EVAL", check, "0"), held);
}

static void model_step(struct model *m)
{
    int op = dice(m, 1000);

    if (op < 100 && m->jobs < MODEL_JOBS) {
        int row = m->jobs++ * (MODEL_FANOUT + 1);

        m->rows[row].exists = true;
        if (dice(m, 10) > 0) /* else killed between commit and publish */
            model_publish(m, row, 0);
    } else if (op < 350) {
        model_fetch(m);
    } else if (op < 380) {
        if (m->jobs > 0)
            model_ask(m);
    } else if (op < 900) {
        model_work(m, 10);
    } else if (op < 930) {
        model_reap(m, 0); /* every claim may be stolen, those of living workers too */
    } else if (op < 950) {
        for (size_t i = 0, owner = (size_t)dice(m, MODEL_WORKERS); i < m->held_count;) /* kill -9 */
            if (m->held[i].owner == (int)owner)
                model_forget(m, i);
            else
                i++;
    } else if (op < 990) {
        redis_close(queue_redis(m->workers[dice(m, MODEL_WORKERS)]));
    } else if (op < 994) {
        model_reconcile(m, 4);
    } else if (op < 995) {
        model_wipe(m);
    } else if (op < 998) {
        RUN(m->workers[0], "SCRIPT", "FLUSH");
    } else if (m->exact) {
        model_check(m);
    } else {
        model_damage(m);
    }
}

static bool model_open(const struct model *m)
{
    for (int row = 0; row < m->jobs * (MODEL_FANOUT + 1); row++)
        if (m->rows[row].exists && !m->rows[row].done)
            return true;
    return false;
}

/* Keys that are not records of ids. A record whose stream somebody deleted stays, if its id had ended by
 * then: nobody asks for it again. That is why this is no DBSIZE after damage. */
static long long model_left(struct model *m)
{
    static const char left[] = "local n = 0\n"
                               "for _, k in ipairs(redis.call('KEYS', '*')) do\n"
                               "  if not string.find(k, '}:d:', 1, true) then n = n + 1 end\n"
                               "end\n"
                               "return n\n";

    return RUN(m->workers[0], "EVAL", left, "0");
}

static void model_drain(struct model *m)
{
    m->oldest = 0;
    for (int round = 0; round < 2000 && (model_open(m) || model_left(m) > 0); round++) {
        if (round % 20 == 0)
            model_reconcile(m, 1);
        for (enum queue_stage stage = 0; stage < QUEUE_STAGE_COUNT; stage++)
            model_fetch_all(m, stage);
        model_reap(m, 0);
        while (m->held_count > 0)
            model_work(m, 1000000);
    }
}

static uint64_t model_seed(void)
{
    const char *text = getenv("DIST_TEST_SEED");
    uint64_t seed;

    rng_bytes(&seed, sizeof seed);
    seed = text ? strtoull(text, NULL, 10) : seed % 1000000;
    print_message("DIST_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static void nothing_is_lost_whatever_happens(void **state)
{
    struct scene *s = *state;
    struct model m = {.s = s, .exact = true, .random = (model_seed() + 1) * 0x9E3779B97F4A7C15u};
    static const char *const names[MODEL_WORKERS] = {"w0", "w1", "w2", "w3"};

    m.rows = xcalloc(MODEL_IDS, sizeof *m.rows);
    for (int i = 0; i < MODEL_WORKERS; i++)
        m.workers[i] = worker_new(&s->server, names[i], MODEL_PARTITIONS);
    for (int step = 0; step < MODEL_STEPS; step++) {
        if (step == MODEL_STEPS_EXACT) { /* from now on with damage */
            model_drain(&m);
            assert_false(model_open(&m));
            assert_int_equal(RUN(m.workers[0], "DBSIZE"), 0);
            m.exact = false;
        }
        model_step(&m);
    }
    model_drain(&m);
    assert_false(model_open(&m));
    for (int row = 0; row < m.jobs * (MODEL_FANOUT + 1); row++) {
        assert_true(m.rows[row].exists);
        if (row % (MODEL_FANOUT + 1) != 0) {
            assert_true(m.rows[row].sent > 0);
            m.duplicates += m.rows[row].sent - 1;
        }
    }
    assert_int_equal(model_left(&m), 0);
    assert_in_range(RUN(m.workers[0], "DBSIZE"), 0, m.damages);
    print_message("model: %d steps, %d jobs, %d deliveries, %ld duplicates, %ld taken over, %ld stale acts, "
                  "%ld wipes\n",
                  MODEL_STEPS, m.jobs, m.jobs * MODEL_FANOUT, m.duplicates, m.stolen, m.stale, m.wiped);
    for (int i = 0; i < MODEL_WORKERS; i++)
        queue_free(m.workers[i]);
    free(m.held);
    free(m.rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_lost_whatever_happens),
    };

    return cmocka_run_group_tests(tests, scene_group_setup, scene_group_teardown);
}
