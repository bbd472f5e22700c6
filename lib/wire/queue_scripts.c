/*
 * Each script is atomic, idempotent and asks before every step; time is Redis's. A script changes nothing, or
 * all: an error can only come from its first write (Redis without memory refuses an addition there, and lets
 * a script that has written go on), or from a key of a wrong type that somebody else put there.
 *
 * The one hard rule: an id whose hash exists has exactly one entry, the one that the hash names (s, e), and
 * that entry is either unread or pending in the group. Entries that no hash names are dropped where they are
 * met. An id counts as queued when the script that wrote hash and entry has returned.
 *
 * One group per stream, "dist", so that XDEL at acknowledgement is safe; XACK alone frees no memory.
 */
#include "queue_scripts.h"

#include "xalloc.h"

/* clang-format off */
static const char prelude[] =
    "local P, OWNER, GROUP = ARGV[1], ARGV[2], 'dist'\n"
    "local call = redis.call\n"

    "local function hash(id) return P .. 'd:' .. id end\n"

    "local function lanes(stage) return P .. 'lanes:' .. stage end\n"
    "local function bell(stage) return P .. 'bell:' .. stage end\n"

    /* 'dist:{0}:ready:web:acme:normal' -> 'ready', 'web:acme:normal'; nil for a key that is no stream of ours (those
     * of former versions had no lane). */
    "local function parse(stream)\n"
    "  return string.match(string.sub(stream, #P + 1), '^(%a+):(.*)$')\n"
    "end\n"

    "local function now_ms()\n"
    "  local t = call('TIME')\n"
    "  return t[1] * 1000 + math.floor(t[2] / 1000)\n"
    "end\n"

    /* ZADD dist:{0}:bell:ready NX 1700000000000 dist:{0}:ready:web:acme:normal */
    "local function ring(stream)\n"
    "  call('ZADD', bell((parse(stream))), 'NX', now_ms(), stream)\n"
    "end\n"

    /* The group reads from the start: what is there and was never read is work. */
    "local function make_group(stream)\n"
    "  call('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM')\n"
    "end\n"

    "local function enlist(stream, how)\n"
    "  local stage, lane = parse(stream)\n"
    "  if call('SISMEMBER', lanes(stage), lane) == 0 then how('SADD', lanes(stage), lane) end\n"
    "end\n"

    /* An empty stream is no stream: group, consumers, lane and bell go with it. */
    "local function sweep(stream)\n"
    "  if call('XLEN', stream) > 0 then return end\n"
    "  local stage, lane = parse(stream)\n"
    "  call('DEL', stream)\n"
    "  if not stage then return end\n"
    "  call('ZREM', bell(stage), stream)\n"
    "  call('SREM', lanes(stage), lane)\n"
    "end\n"

    "local function drop(stream, entry)\n"
    "  call('XACK', stream, GROUP, entry)\n"
    "  call('XDEL', stream, entry)\n"
    "end\n"

    /* XADD dist:{0}:routed * id 018c...
     * HSET dist:{0}:d:018c... s dist:{0}:routed e 1700000000000-0 o "" c 0 a "" */
    "local seen = {}\n"
    "local function add(id, stream, crashes)\n"
    "  if not seen[stream] then\n"
    "    seen[stream] = true\n"
    "    if call('EXISTS', stream) == 0 then make_group(stream) end\n"
    "    enlist(stream, call)\n"
    "    ring(stream)\n"
    "  end\n"
    "  local entry = call('XADD', stream, '*', 'id', id)\n"
    "  call('HSET', hash(id), 's', stream, 'e', entry, 'o', '', 'c', crashes, 'a', '')\n"
    "end\n"

    /* In Redis: the hash is there and its entry too; then also who holds it ('': nobody). A look also mends the set of
     * lanes, where there is memory for it. */
    "local function present(id)\n"
    "  local d = call('HMGET', hash(id), 's', 'e', 'o')\n"
    "  if not d[1] or not d[2] or not parse(d[1]) or #call('XRANGE', d[1], d[2], d[2]) == 0 then return false end\n"
    "  enlist(d[1], redis.pcall)\n"
    "  return true, d[3] or ''\n"
    "end\n"

    /* Somebody who holds the id may have asked PostgreSQL before the reason of this call was committed, and is about to
     * finish: the wish is kept for that finish. Without memory it is not: then the lease brings the id back.
     *
     * HSET dist:{0}:d:018c... a dist:{0}:routed */
    "local lengths = {}\n"
    "local function publish(id, stream, ceiling)\n"
    "  local there, owner = present(id)\n"
    "  if not there then\n"
    "    if ceiling > 0 then\n"
    "      lengths[stream] = lengths[stream] or call('XLEN', stream)\n"
    "      if lengths[stream] >= ceiling then return 0 end\n"
    "      lengths[stream] = lengths[stream] + 1\n"
    "    end\n"
    "    add(id, stream, 0)\n"
    "    return 1\n"
    "  end\n"
    "  if owner ~= '' then redis.pcall('HSET', hash(id), 'a', stream) end\n"
    "  return 0\n"
    "end\n"

    /* Whose entry is it? 'mine': this very claim holds it. 'other': it was taken over, or waits to be read again.
     * 'none': no hash names it. */
    "local function standing(stream, id, entry, crashes)\n"
    "  local d = call('HMGET', hash(id), 's', 'e', 'o', 'c', 'a')\n"
    "  if d[1] ~= stream or d[2] ~= entry then return 'none', d[1], d[2], d[5] end\n"
    "  if d[3] ~= OWNER or d[4] ~= crashes then return 'other', d[1], d[2], d[5] end\n"
    "  return 'mine', d[1], d[2], d[5]\n"
    "end\n"

    /* A claim that nobody holds any more: its entry goes, unless the number belongs to another id by now (wiped, and
     * filled again in the same millisecond). */
    "local function drop_stale(stream, entry, id)\n"
    "  local m = call('XRANGE', stream, entry, entry)[1]\n"
    "  if m and m[2][2] == id then drop(stream, entry) end\n"
    "end\n"

    "local function printable(text)\n"
    "  return (string.gsub(string.sub(text, 1, 200), '[^ -~]', '?'))\n"
    "end\n"

    /* LPUSH dist:{0}:quarantine {"stream":...,"entry":...,"reason":...,"fields":[...],"at_ms":...} */
    "local function quarantine(stream, m, reason)\n"
    "  local fields = {}\n"
    "  for i = 1, math.min(#m[2], 20) do fields[i] = printable(m[2][i]) end\n"
    "  call('LPUSH', P .. 'quarantine', cjson.encode({stream = stream, entry = m[1], reason = reason,\n"
    "    fields = fields, at_ms = now_ms()}))\n"
    "  call('LTRIM', P .. 'quarantine', 0, 999)\n"
    "end\n"

    /* The id and the crashes of an entry that was read; nil where it was dropped, with or without quarantine. */
    "local function identify(stream, m)\n"
    "  local id, reason\n"
    "  for i = 1, #m[2] - 1, 2 do\n"
    "    if m[2][i] == 'id' then id = m[2][i + 1] break end\n"
    "  end\n"
    "  if not id then reason = 'no field id'\n"
    "  elseif #id == 0 or #id > 63 then reason = 'id of 0 or more than 63 bytes'\n"
    "  elseif string.find(id, '[^!-~]') then reason = 'id with bytes that are not printable' end\n"
    "  if reason then quarantine(stream, m, reason) drop(stream, m[1]) return nil end\n"
    "  local d = call('HMGET', hash(id), 's', 'e', 'c')\n"
    "  if d[1] ~= stream or d[2] ~= m[1] then drop(stream, m[1]) return nil end\n"
    "  return id, tonumber(d[3]) or 0\n"
    "end\n";

/* KEYS a stream per id; ARGV[3] ceiling or 0, [4..] the ids. -> how many were added */
static const char publish[] =
    "local added = 0\n"
    "for i = 1, #KEYS do added = added + publish(ARGV[i + 3], KEYS[i], tonumber(ARGV[3])) end\n"
    "return added\n";

/* KEYS[1] stream; ARGV[3] want. -> entry, id, crashes, entry, id, ...
 *
 * Claiming in order of arrival. As many as were wanted: there may be more, so the bell rings for somebody else;
 * fewer: all is read, so it is silenced. Dropped entries are made up for, in a bounded number of rounds. */
static const char fetch[] =
    "local stream, left, out, drained = KEYS[1], tonumber(ARGV[3]), {}, false\n"
    "if call('EXISTS', stream) == 0 then sweep(stream) return out end\n"
    "if left < 1 then return out end\n" /* COUNT 0 would be all there is */
    "for round = 1, 10 do\n"
    "  local r = redis.pcall('XREADGROUP', 'GROUP', GROUP, OWNER, 'COUNT', left, 'STREAMS', stream, '>')\n"
    "  if r and r.err then\n"
    "    if not string.find(r.err, 'NOGROUP', 1, true) then return r end\n"
    "    make_group(stream)\n"
    "    r = call('XREADGROUP', 'GROUP', GROUP, OWNER, 'COUNT', left, 'STREAMS', stream, '>')\n"
    "  end\n"
    "  drained = not r or #r[1][2] < left\n"
    "  for _, m in ipairs(r and r[1][2] or {}) do\n"
    "    local id, crashes = identify(stream, m)\n"
    "    if id then\n"
    "      call('HSET', hash(id), 'o', OWNER)\n"
    "      out[#out + 1] = m[1]\n"
    "      out[#out + 1] = id\n"
    "      out[#out + 1] = crashes\n"
    "      left = left - 1\n"
    "    end\n"
    "  end\n"
    "  if drained or left == 0 then break end\n"
    "end\n"
    "if drained then call('ZREM', bell((parse(stream))), stream) else ring(stream) end\n"
    "sweep(stream)\n"
    "return out\n";

/* Entries and hashes that go, many with one command: for half of what a script does it is the calling that takes the time.
 * What follows may rely on it only after leave(). */
#define LEAVE_LUA                                                                             \
    "local leaving, forgotten = {}, {}\n"                                                     \
    "local function drop_soon(stream, entry)\n"                                               \
    "  local entries = leaving[stream] or {}\n"                                               \
    "  entries[#entries + 1] = entry\n"                                                       \
    "  leaving[stream] = entries\n"                                                           \
    "end\n"                                                                                   \
    "local function leave()\n"                                                                \
    "  for stream, entries in pairs(leaving) do\n"                                            \
    "    call('XACK', stream, GROUP, unpack(entries))\n"                                      \
    "    call('XDEL', stream, unpack(entries))\n"                                             \
    "  end\n"                                                                                 \
    "  if #forgotten > 0 then call('DEL', unpack(forgotten)) end\n"                           \
    "  leaving, forgotten = {}, {}\n"                                                         \
    "end\n"

/* For each hop: KEYS the stream of its claim, then a stream per item; ARGV entry, id, crashes of the claim, the number of
 * items, their ids. From KEYS[1] and ARGV[3] on. -> how many claims were ours
 *
 * Redis without memory refuses a script that begins with an addition, and lets one go on that has removed something. So
 * the hops whose claim is still ours come first, and their claims go before their ids come: a full Redis can be emptied.
 * Where none is ours nothing is freed, and a full Redis takes nothing in. A wish goes with the claim: a job that was
 * routed is not pending again, and an id that moves is looked at once more. */
static const char hop[] = LEAVE_LUA
    "local hops, touched, key, arg, ours = {}, {}, 1, 3, 0\n"
    "while key <= #KEYS do\n"
    "  local h = {from = KEYS[key], entry = ARGV[arg], id = ARGV[arg + 1], count = tonumber(ARGV[arg + 3]),\n"
    "    key = key, arg = arg + 3}\n"
    "  h.whose = standing(h.from, h.id, h.entry, ARGV[arg + 2])\n"
    "  hops[#hops + 1] = h\n"
    "  key = key + 1 + h.count\n"
    "  arg = arg + 4 + h.count\n"
    "end\n"
    "for _, h in ipairs(hops) do\n"
    "  for i = 1, h.count do\n"
    "    if ARGV[h.arg + i] == h.id then h.to = KEYS[h.key + i] end\n"
    "  end\n"
    "  if h.whose == 'mine' then\n"
    "    ours = ours + 1\n"
    "    drop_soon(h.from, h.entry)\n"
    "    if not h.to then forgotten[#forgotten + 1] = hash(h.id) end\n"
    "  end\n"
    "end\n"
    "leave()\n"
    "for _, h in ipairs(hops) do\n"
    "  if h.whose == 'mine' and h.to then add(h.id, h.to, 0) end\n"
    "end\n"
    "for _, h in ipairs(hops) do\n"
    "  for i = 1, h.count do\n"
    "    if ARGV[h.arg + i] ~= h.id then publish(ARGV[h.arg + i], KEYS[h.key + i], 0) end\n"
    "  end\n"
    "  if h.whose == 'none' then drop_stale(h.from, h.entry, h.id) end\n"
    "  if h.whose ~= 'other' then touched[h.from] = true end\n"
    "end\n"
    "for stream in pairs(touched) do sweep(stream) end\n"
    "return ours\n";

/* KEYS a stream for each; ARGV[3..] entry, id, crashes, '1' where the id has ended, for each. -> how many were settled
 *
 * An end is sticky: the id goes, wherever it is by now. Whoever wished to publish it meanwhile gets an entry, also
 * where it has ended: the next worker looks, and finishes it. */
static const char finish[] = LEAVE_LUA
    "local settled, touched, seen_ids, wishes = 0, {}, {}, {}\n"
    "local function settle(stream, entry, id, crashes, ended)\n"
    "  if seen_ids[id] then leave() end\n"
    "  seen_ids[id] = true\n"
    "  local whose, at, current, wish = standing(stream, id, entry, crashes)\n"
    "  if whose == 'other' and not ended then return end\n"
    "  if whose == 'none' then drop_stale(stream, entry, id) end\n"
    "  touched[stream] = true\n"
    "  if at and current and (whose ~= 'none' or ended) then\n"
    "    drop_soon(at, current)\n"
    "    touched[at] = true\n"
    "  end\n"
    "  if not ended and whose ~= 'mine' then return end\n"
    "  forgotten[#forgotten + 1] = hash(id)\n"
    "  if wish and wish ~= '' then wishes[id] = wish end\n"
    "  settled = settled + 1\n"
    "end\n"
    "for i = 1, #KEYS do\n"
    "  local arg = 4 * i - 1\n"
    "  settle(KEYS[i], ARGV[arg], ARGV[arg + 1], ARGV[arg + 2], ARGV[arg + 3] == '1')\n"
    "end\n"
    "leave()\n"
    "for id, wish in pairs(wishes) do add(id, wish, 0) end\n"
    "for stream in pairs(touched) do sweep(stream) end\n"
    "return settled\n";

/* KEYS[1] stream; ARGV[3] entry, [4] id, [5] crashes. -> 1 released, 0 another's */
static const char release[] =
    "local stream, entry, id, crashes = KEYS[1], ARGV[3], ARGV[4], ARGV[5]\n"
    "local whose = standing(stream, id, entry, crashes)\n"
    "if whose == 'other' then return 0 end\n"
    "if whose == 'mine' then\n"
    "  drop(stream, entry)\n"
    "  add(id, stream, crashes)\n"
    "else drop_stale(stream, entry, id) end\n"
    "sweep(stream)\n"
    "return whose == 'mine' and 1 or 0\n";

/* KEYS[1] stream; ARGV[3] entry, [4] id, [5] crashes. -> 1 still ours, 0 lost
 *
 * JUSTID: the idle clock starts again, the delivery counter stays. An entry that is no longer pending (somebody
 * destroyed the group) will be read again, so it is lost. */
static const char renew[] =
    "local stream, entry = KEYS[1], ARGV[3]\n"
    "if standing(stream, ARGV[4], entry, ARGV[5]) ~= 'mine' then return 0 end\n"
    "local r = redis.pcall('XCLAIM', stream, GROUP, OWNER, 0, entry, 'JUSTID')\n"
    "return (not r.err and #r == 1) and 1 or 0\n";

/* KEYS[1] stream; ARGV[3] idle_ms, [4] cursor, [5] want. -> cursor, entry, id, crashes, entry, ...
 *
 * The cursor must be kept: XAUTOCLAIM looks at 10 * COUNT pending entries and would never get past a front of
 * busy ones. Who takes over looks from now on, so a wish has come true. At the end of a walk the consumers that hold
 * nothing and were not seen for an hour are forgotten; inside a script nobody can give them an entry between the look
 * and the deletion. */
static const char reap[] =
    "local stream = KEYS[1]\n"
    "if call('EXISTS', stream) == 0 then sweep(stream) return {'0-0'} end\n"
    "local r = redis.pcall('XAUTOCLAIM', stream, GROUP, OWNER, ARGV[3], ARGV[4], 'COUNT', ARGV[5])\n"
    "if r.err then\n"
    "  if not string.find(r.err, 'NOGROUP', 1, true) then return r end\n"
    "  make_group(stream)\n"
    "  ring(stream)\n"
    "  return {'0-0'}\n"
    "end\n"
    "local out = {r[1]}\n"
    "for _, m in ipairs(r[2]) do\n"
    "  local id, crashes = identify(stream, m)\n"
    "  if id then\n"
    "    call('HSET', hash(id), 'o', OWNER, 'c', crashes + 1, 'a', '')\n"
    "    out[#out + 1] = m[1]\n"
    "    out[#out + 1] = id\n"
    "    out[#out + 1] = crashes + 1\n"
    "  end\n"
    "end\n"
    "if r[1] == '0-0' then\n"
    "  for _, c in ipairs(call('XINFO', 'CONSUMERS', stream, GROUP)) do\n"
    "    if c[4] == 0 and c[6] > 3600000 then call('XGROUP', 'DELCONSUMER', stream, GROUP, c[2]) end\n"
    "  end\n"
    "end\n"
    "sweep(stream)\n"
    "return out\n";

/* ARGV[3..] ids. -> 1 or 0 for each: it is not in Redis any more
 *
 * An id that somebody holds stays: what comes of it will tell. */
static const char recall[] =
    "local out = {}\n"
    "for i = 3, #ARGV do\n"
    "  local id = ARGV[i]\n"
    "  local there, owner = present(id)\n"
    "  if there and owner ~= '' then\n"
    "    out[#out + 1] = 0\n"
    "  else\n"
    "    local d = call('HMGET', hash(id), 's', 'e')\n"
    "    if there then drop(d[1], d[2]) sweep(d[1]) end\n"
    "    call('DEL', hash(id))\n"
    "    out[#out + 1] = 1\n"
    "  end\n"
    "end\n"
    "return out\n";

/* ARGV[3] id. -> nothing, or stream without its prefix, owner, entries before it */
static const char find[] =
    "local there, owner = present(ARGV[3])\n"
    "if not there then return {} end\n"
    "local d = call('HMGET', hash(ARGV[3]), 's', 'e')\n"
    "local ahead = #call('XRANGE', d[1], '-', '(' .. d[2], 'COUNT', 1000)\n"
    "return {string.sub(d[1], #P + 1), owner, ahead}\n";

/* KEYS[1] the epoch; ARGV[3] a new one, for the case that there is none. -> the epoch */
static const char epoch[] =
    "local now = call('GET', KEYS[1])\n"
    "if now and #now == 36 then return now end\n"
    "call('SET', KEYS[1], ARGV[3])\n"
    "return ARGV[3]\n";

/* KEYS[1] the set of lanes; ARGV[3] stage, [4] cursor, [5] about how many.
 * -> cursor, lane, length, in flight, age of the oldest entry in ms, lane, ...
 *
 * An entry's id starts with the time of Redis at which it was added. A lane that has no entries is none. */
static const char survey[] =
    "local r, now = call('SSCAN', KEYS[1], ARGV[4], 'COUNT', ARGV[5]), now_ms()\n"
    "local out = {r[1]}\n"
    "for _, lane in ipairs(r[2]) do\n"
    "  local stream = P .. ARGV[3] .. ':' .. lane\n"
    "  local oldest = call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]\n"
    "  if not oldest then\n"
    "    sweep(stream)\n"
    "  else\n"
    "    local pending = redis.pcall('XPENDING', stream, GROUP)\n"
    "    out[#out + 1] = lane\n"
    "    out[#out + 1] = call('XLEN', stream)\n"
    "    out[#out + 1] = pending.err and 0 or pending[1]\n"
    "    out[#out + 1] = math.max(now - tonumber(string.match(oldest[1], '^%d+')), 0)\n"
    "  end\n"
    "end\n"
    "return out\n";

/* What the scripts of holds.h share. HSET dist:{0}:holds web "5 1700000060000 0 0 1700000000000"; a destination that
 * said to be gone has a sixth number: when.
 *
 * Stale is what is an hour past, what was written in the future (the clock was set back) and what nobody can read.
 * HDEL goes first because Redis without memory refuses a script that begins with an addition: what is said about a
 * destination must be known then, too. */
#define HOLD_LUA                                                                              \
    "local function read(text, now)\n"                                                        \
    "  local f, o, p, b, t, g = string.match(text or '', '^(%d+) (%d+) (%d+) (%d+) (%d+) ?(%d*)$')\n" \
    "  local h = {failures = tonumber(f) or 0, open = tonumber(o) or 0, paused = tonumber(p) or 0,\n" \
    "    probe = tonumber(b) or 0, touched = tonumber(t) or 0, gone = tonumber(g) or 0}\n"    \
    "  if h.gone + 2592000000 < now then h.gone = 0 end\n"                                    \
    "  if h.gone > 0 then return h end\n"                                                     \
    "  if math.max(h.open, h.paused, h.probe, h.touched) >= now - 3600000 and\n"              \
    "    h.touched <= now + 60000 then return h end\n"                                        \
    "  return {failures = 0, open = 0, paused = 0, probe = 0, gone = 0, stale = true}\n"      \
    "end\n"                                                                                   \
    "local function write(destination, h, now)\n"                                             \
    "  call('HDEL', KEYS[1], destination)\n"                                                  \
    "  if h.failures > 0 or h.open > 0 or h.paused > now or h.gone > 0 then\n"                \
    "    call('HSET', KEYS[1], destination, string.format('%d %d %d %d %d', h.failures, h.open,\n" \
    "      h.paused, h.probe, now) .. (h.gone > 0 and string.format(' %d', h.gone) or ''))\n" \
    "  end\n"                                                                                 \
    "end\n"

/* KEYS[1] the holds. -> destination, kind, failures, ms left, destination, ... */
static const char holds[] = HOLD_LUA
    "local out, now, all = {}, now_ms(), call('HGETALL', KEYS[1])\n"
    "for i = 1, #all, 2 do\n"
    "  local h = read(all[i + 1], now)\n"
    "  local kind, left\n"
    "  if h.stale then call('HDEL', KEYS[1], all[i])\n"
    "  elseif h.gone > 0 then kind, left = 3, 0\n"
    "  elseif h.open > 0 then\n"
    "    local till = math.max(h.open, h.probe, h.paused)\n"
    "    kind, left = till > now and 1 or 2, math.max(till - now, 0)\n"
    "  elseif h.paused > now then kind, left = 0, h.paused - now end\n"
    "  if kind then\n"
    "    for _, value in ipairs({all[i], kind, h.failures, left}) do out[#out + 1] = value end\n"
    "  end\n"
    "end\n"
    "return out\n";

/* KEYS[1] the holds; ARGV[3] destination, [4] failures, [5] '1' success, [6] '1' the probe failed, [7] pause in ms,
 * [8] failures that open it, [9] for how many ms, [10] '1' it is gone. -> 1 */
static const char report[] = HOLD_LUA
    "local now = now_ms()\n"
    "local h = read(call('HGET', KEYS[1], ARGV[3]), now)\n"
    "if ARGV[5] == '1' then h.failures, h.open, h.probe = 0, 0, 0 end\n"
    "h.failures = h.failures + tonumber(ARGV[4])\n"
    "if ARGV[6] == '1' and h.open > 0 then h.open, h.probe = now + tonumber(ARGV[9]), 0 end\n"
    "if h.open == 0 and h.failures >= tonumber(ARGV[8]) then h.open = now + tonumber(ARGV[9]) end\n"
    "if tonumber(ARGV[7]) > 0 then h.paused = math.max(h.paused, now + tonumber(ARGV[7])) end\n"
    "if ARGV[10] == '1' then h.gone = now end\n"
    "write(ARGV[3], h, now)\n"
    "return 1\n";

/* KEYS[1] the holds; ARGV[3] destination. -> 1 it was gone, and may be asked again */
static const char lift[] = HOLD_LUA
    "local now = now_ms()\n"
    "local h = read(call('HGET', KEYS[1], ARGV[3]), now)\n"
    "if h.gone == 0 then return 0 end\n"
    "h.gone = 0\n"
    "write(ARGV[3], h, now)\n"
    "return 1\n";

/* KEYS[1] the holds; ARGV[3] destination, [4] for how many ms, 0: it was not used. -> 1 granted */
static const char probe[] = HOLD_LUA
    "local now = now_ms()\n"
    "local h = read(call('HGET', KEYS[1], ARGV[3]), now)\n"
    "if h.open == 0 or h.gone > 0 then return 0 end\n"
    "if ARGV[4] ~= '0' and math.max(h.open, h.probe, h.paused) > now then return 0 end\n"
    "h.probe = ARGV[4] == '0' and 0 or now + tonumber(ARGV[4])\n"
    "write(ARGV[3], h, now)\n"
    "return ARGV[4] == '0' and 0 or 1\n";

/* KEYS[1] the rate's key; ARGV[3] want, [4] us between two slots. -> granted
 *
 * The generic cell rate algorithm: the key holds the time of the next free slot, at most a second behind now. It is more
 * than a step ahead only where the clock was set back or the rate was lower before: then it is now. DEL goes first as
 * above. */
static const char grant[] =
    "local t = call('TIME')\n"
    "local now, step = t[1] * 1000000 + t[2], tonumber(ARGV[4])\n"
    "local saved = math.max(1000000, step)\n"
    "local next = math.max(tonumber(call('GET', KEYS[1])) or 0, now - saved + step)\n"
    "if next > now + step then next = now end\n"
    "local free = math.floor((now - next) / step) + 1\n"
    "local granted = math.max(0, math.min(free, tonumber(ARGV[3])))\n"
    "if granted > 0 then\n"
    "  next = next + granted * step\n"
    "  local left = math.ceil((next + saved - now) / 1000)\n"
    "  call('DEL', KEYS[1])\n"
    "  call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.max(left, 1))\n"
    "end\n"
    "return granted\n";
/* clang-format on */

static const struct {
    const char *name, *text;
} bodies[QUEUE_SCRIPT_COUNT] = {
    [QUEUE_SCRIPT_PUBLISH] = {"publish", publish},
    [QUEUE_SCRIPT_FETCH] = {"fetch", fetch},
    [QUEUE_SCRIPT_HOP] = {"hop", hop},
    [QUEUE_SCRIPT_FINISH] = {"finish", finish},
    [QUEUE_SCRIPT_RELEASE] = {"release", release},
    [QUEUE_SCRIPT_RENEW] = {"renew", renew},
    [QUEUE_SCRIPT_REAP] = {"reap", reap},
    [QUEUE_SCRIPT_RECALL] = {"recall", recall},
    [QUEUE_SCRIPT_FIND] = {"find", find},
    [QUEUE_SCRIPT_EPOCH] = {"epoch", epoch},
    [QUEUE_SCRIPT_SURVEY] = {"survey", survey},
    [QUEUE_SCRIPT_HOLDS] = {"holds", holds},
    [QUEUE_SCRIPT_REPORT] = {"report", report},
    [QUEUE_SCRIPT_LIFT] = {"lift", lift},
    [QUEUE_SCRIPT_PROBE] = {"probe", probe},
    [QUEUE_SCRIPT_GRANT] = {"grant", grant},
};

void queue_scripts_init(struct redis_script scripts[QUEUE_SCRIPT_COUNT])
{
    for (int i = 0; i < QUEUE_SCRIPT_COUNT; i++)
        scripts[i] =
            (struct redis_script){.name = bodies[i].name, .text = xasprintf("%s%s", prelude, bodies[i].text)};
}

void queue_scripts_release(struct redis_script scripts[QUEUE_SCRIPT_COUNT])
{
    for (int i = 0; i < QUEUE_SCRIPT_COUNT; i++) {
        free((char *)scripts[i].text);
        scripts[i] = (struct redis_script){0};
    }
}
