/*
 * Each script is atomic, idempotent and asks before every step; time is Redis's. A script changes nothing, or
 * all: an error can only come from its first write (Redis without memory refuses an addition there, and lets
 * a script that has written go on), from a key of a wrong type that somebody else put there, or in a cluster
 * from keys whose slot is about to move: then what was done counts, and entries without a record, or claims
 * that nobody holds, are healed as below.
 *
 * The one hard rule: an id with a record has exactly one entry, the one that the record names, and that entry
 * is either unread or pending in the group. Entries that no record names are dropped where they are met. An
 * id counts as queued when the script that wrote record and entry has returned.
 *
 * A claim is the reader's by stream, entry and crashes, and the record says all three: who reads an entry has
 * nothing to write, and who takes it over raises its crashes. The owner is known to the group alone, which is
 * asked only where it matters whether an entry is held, or by whom. Where Redis forgets that an entry was
 * read (a group that somebody destroyed, a restart or a failover that lost the last moments), it is read once
 * more, and two workers may hold one claim: the first that settles it does, and the other's is lost.
 *
 * One command for many ids costs less than one for each, so a script reads the records of all its ids at once
 * (load), changes them in its own memory, where it sees what it changed, and writes them at once (save). A
 * record is compared with the text that is likely, and taken apart only where it is another one. The order of
 * a script: read and decide; leave(), which frees memory; add; save(); sweep.
 *
 * One group per stream, "dist", so that XDEL at acknowledgement is safe; XACK alone frees no memory.
 */
#include "queue_scripts.h"

#include "hold_scripts.h"
#include "xalloc.h"

/* clang-format off */
/* All scripts but those of holds begin with this and with what follows: keys, streams, and entries as they are read. */
static const char streams[] =
    "local P, OWNER, GROUP = ARGV[1], ARGV[2], 'dist'\n"
    "local call = redis.call\n"

    "local function lanes(stage) return P .. 'lanes:' .. stage end\n"
    "local function bell(stage) return P .. 'bell:' .. stage end\n"

    /* 'dist:{0}:ready:web:acme:normal' -> 'ready', 'web:acme:normal'; nil for a key that is no stream of ours (those
     * of former versions had no lane). */
    "local function parse(stream)\n"
    "  return string.match(string.sub(stream, #P + 1), '^(%a+):(.*)$')\n"
    "end\n"

    "local clock\n"
    "local function now_ms()\n"
    "  clock = clock or call('TIME')\n"
    "  return clock[1] * 1000 + math.floor(clock[2] / 1000)\n"
    "end\n"

    /* Some thousand arguments are too many for unpack. An even number, as MSET takes pairs. */
    "local function in_parts(list, run)\n"
    "  for i = 1, #list, 1000 do run(unpack(list, i, math.min(i + 999, #list))) end\n"
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

    /* Entries that are dropped, and records that are forgotten, are there until leave().
     *
     * XACK dist:{0}:routed:acme:normal dist 1700000000000-0 ...
     * XDEL dist:{0}:routed:acme:normal 1700000000000-0 ...
     * DEL dist:{0}:d:018c... ... */
    "local leaving, forgotten = {}, {}\n"
    "local function drop(stream, entry)\n"
    "  local entries = leaving[stream]\n"
    "  if entries then entries[#entries + 1] = entry else leaving[stream] = {entry} end\n"
    "end\n"
    "local function leave()\n"
    "  for stream, entries in pairs(leaving) do\n"
    "    in_parts(entries, function(...)\n"
    "      call('XACK', stream, GROUP, ...)\n"
    "      call('XDEL', stream, ...)\n"
    "    end)\n"
    "  end\n"
    "  in_parts(forgotten, function(...) call('DEL', ...) end)\n"
    "  leaving, forgotten = {}, {}\n"
    "end\n"

    "local function printable(text)\n"
    "  return (string.gsub(string.sub(text, 1, 200), '[^ -~]', '?'))\n"
    "end\n"

    /* The id of an entry's fields; nil where there is none. Ours have no other field. */
    "local function id_of(fields)\n"
    "  for i = 1, #fields - 1, 2 do\n"
    "    if fields[i] == 'id' then return fields[i + 1] end\n"
    "  end\n"
    "end\n"

    /* LPUSH dist:{0}:quarantine {"stream":...,"entry":...,"reason":...,"fields":[...],"at_ms":...} */
    "local function quarantine(stream, m, reason)\n"
    "  local fields = {}\n"
    "  for i = 1, math.min(#m[2], 20) do fields[i] = printable(m[2][i]) end\n"
    "  call('LPUSH', P .. 'quarantine', cjson.encode({stream = stream, entry = m[1], reason = reason,\n"
    "    fields = fields, at_ms = now_ms()}))\n"
    "  call('LTRIM', P .. 'quarantine', 0, 999)\n"
    "end\n"

    /* An entry that no record names: was it ever one of ours? */
    "local function inspect(stream, m)\n"
    "  local id, reason = id_of(m[2])\n"
    "  if not id then reason = 'no field id'\n"
    "  elseif #id == 0 or #id > 63 then reason = 'id of 0 or more than 63 bytes'\n"
    "  elseif string.find(id, '[^!-~]') then reason = 'id with bytes that are not printable' end\n"
    "  if reason then quarantine(stream, m, reason) end\n"
    "end\n";

/* What is known of ids, read and written at once; and what changes it. */
static const char records[] =
    /* The records of this call by their ids, as texts; false: there is none. What is to be written: key, text, key, ... */
    "local RECORD, records, changed, wished = P .. 'd:', {}, {}, {}\n"

    /* '0 1700000000000-0  dist:{0}:ready:web:acme:normal': crashes, entry, wish ('': none), stream. No part has a blank in it:
     * queue_check_items() sees to that. All are texts here, the crashes, too: to make one of a number takes long. */
    "local function record_text(crashes, entry, wish, stream)\n"
    "  return crashes .. ' ' .. entry .. ' ' .. wish .. ' ' .. stream\n"
    "end\n"

    /* MGET dist:{0}:d:018c... dist:{0}:d:018d... What is no string is no record, and is written over; what this call knows
     * stays as it knows it. */
    "local function load(ids)\n"
    "  for first = 1, #ids, 1000 do\n"
    "    local last, keys = math.min(first + 999, #ids), {}\n"
    "    for i = first, last do keys[i - first + 1] = RECORD .. ids[i] end\n"
    "    local texts = call('MGET', unpack(keys))\n"
    "    for i = first, last do\n"
    "      local id = ids[i]\n"
    "      if records[id] == nil then records[id] = texts[i - first + 1] end\n"
    "    end\n"
    "  end\n"
    "end\n"

    /* A record taken apart. Nil: there is none, or what is there is none. */
    "local function record(id)\n"
    "  if records[id] == nil then load({id}) end\n"
    "  local crashes, entry, wish, stream =\n"
    "    string.match(records[id] or '', '^(%d+) (%d+%-%d+) (%S*) (%S+)$')\n"
    "  return stream and {crashes = crashes, entry = entry, wish = wish, stream = stream}\n"
    "end\n"

    "local function put(list, id, text)\n"
    "  local n = #list\n"
    "  list[n + 1], list[n + 2] = RECORD .. id, text\n"
    "  records[id] = text\n"
    "end\n"
    "local function forget(id)\n"
    "  records[id] = false\n"
    "  forgotten[#forgotten + 1] = RECORD .. id\n"
    "end\n"

    /* MSET dist:{0}:d:018c... '0 1700000000000-0  dist:{0}:routed:acme:normal' ...
     *
     * A change follows a write that went through (its entry was added or taken over): it is not refused. A mere wish may be
     * the first write; without memory it is not kept. */
    "local function save()\n"
    "  in_parts(changed, function(...) call('MSET', ...) end)\n"
    "  in_parts(wished, function(...) redis.pcall('MSET', ...) end)\n"
    "end\n"

    /* Additions to several streams, of which one may be unusable: what was added in front of it counts all the same. -> the
     * error, if any, for the script to return */
    "local function save_behind(additions)\n"
    "  local good, problem = pcall(additions)\n"
    "  save()\n"
    "  if not good then return type(problem) == 'table' and problem or redis.error_reply(problem) end\n"
    "end\n"

    /* XADD dist:{0}:routed:acme:normal * id 018c... */
    "local seen = {}\n"
    "local function add(id, stream, crashes)\n"
    "  if not seen[stream] then\n"
    "    seen[stream] = true\n"
    "    if call('EXISTS', stream) == 0 then make_group(stream) end\n"
    "    enlist(stream, call)\n"
    "    ring(stream)\n"
    "  end\n"
    "  local entry = call('XADD', stream, '*', 'id', id)\n"
    "  put(changed, id, record_text(crashes, entry, '', stream))\n"
    "end\n"

    /* The record of an id that is in Redis: its entry is there, too. A look also mends the set of lanes, where there is
     * memory for it. */
    "local mended = {}\n"
    "local function present(id)\n"
    "  local r = record(id)\n"
    "  if not r or not parse(r.stream) or #call('XRANGE', r.stream, r.entry, r.entry) == 0 then return nil end\n"
    "  if not mended[r.stream] then enlist(r.stream, redis.pcall) end\n"
    "  mended[r.stream] = true\n"
    "  return r\n"
    "end\n"

    /* Who holds an entry; nil: nobody. XPENDING dist:{0}:routed:acme:normal dist 1700000000000-0 1700000000000-0 1 */
    "local function holder(stream, entry)\n"
    "  local pending = redis.pcall('XPENDING', stream, GROUP, entry, entry, 1)\n"
    "  if pending.err and not string.find(pending.err, 'NOGROUP', 1, true) then error(pending) end\n"
    "  return pending[1] and pending[1][2]\n"
    "end\n"

    /* Somebody who holds the id may have asked PostgreSQL before the reason of this call was committed, and is about to
     * finish: the wish is kept for that finish. Without memory it is not: then the lease brings the id back. */
    "local lengths = {}\n"
    "local function publish(id, stream, ceiling)\n"
    "  local r = records[id] ~= false and present(id)\n"
    "  if not r then\n"
    "    if ceiling > 0 then\n"
    "      lengths[stream] = lengths[stream] or call('XLEN', stream)\n"
    "      if lengths[stream] >= ceiling then return 0 end\n"
    "      lengths[stream] = lengths[stream] + 1\n"
    "    end\n"
    "    add(id, stream, '0')\n"
    "    return 1\n"
    "  end\n"
    "  if r.wish ~= stream and holder(r.stream, r.entry) then\n"
    "    put(wished, id, record_text(r.crashes, r.entry, stream, r.stream))\n"
    "  end\n"
    "  return 0\n"
    "end\n"

    /* Whose entry is it? 'mine': this very claim holds it. 'other': it was taken over. 'none': no record names it. And
     * the record of the id, where it was taken apart: not where it is what a claim without a wish has. */
    "local function standing(stream, id, entry, crashes)\n"
    "  if records[id] == crashes .. ' ' .. entry .. '  ' .. stream then return 'mine' end\n"
    "  local r = record(id)\n"
    "  if not r or r.stream ~= stream or r.entry ~= entry then return 'none', r end\n"
    "  return r.crashes == crashes and 'mine' or 'other', r\n"
    "end\n"

    /* A claim that nobody holds any more: its entry goes, unless the number belongs to another id by now (wiped, and
     * filled again in the same millisecond). */
    "local function drop_stale(stream, entry, id)\n"
    "  local m = call('XRANGE', stream, entry, entry)[1]\n"
    "  if m and m[2][2] == id then drop(stream, entry) end\n"
    "end\n";

/* Entries that are read. */
static const char claims[] =
    /* Calls claim(entry, id, crashes) for those that a record names, in order; the others are dropped. An entry that a record
     * names was added here, so the shape of its id needs no look; but what is too long for any is never asked for. */
    "local function take(stream, entries, claim)\n"
    "  local ids, tail = {}, '  ' .. stream\n" /* of a record without a wish */
    "  records[''] = false\n"
    "  for i = 1, #entries do\n"
    "    local id = id_of(entries[i][2])\n"
    "    ids[i] = id and #id < 64 and id or ''\n"
    "  end\n"
    "  load(ids)\n"
    "  for i = 1, #entries do\n"
    "    local entry, id = entries[i][1], ids[i]\n"
    "    if records[id] == '0 ' .. entry .. tail then\n"
    "      claim(entry, id, 0)\n"
    "    else\n"
    "      local r = record(id)\n"
    "      if r and r.stream == stream and r.entry == entry then\n"
    "        claim(entry, id, tonumber(r.crashes))\n"
    "      else\n"
    "        inspect(stream, entries[i])\n"
    "        drop(stream, entry)\n"
    "      end\n"
    "    end\n"
    "  end\n"
    "end\n"

    /* Claims that are made, as scripts return them: entry, id, crashes, entry, ... */
    "local out = {}\n"
    "local function claimed(entry, id, crashes)\n"
    "  local n = #out\n"
    "  out[n + 1], out[n + 2], out[n + 3] = entry, id, crashes\n"
    "end\n";

/* KEYS a stream per id; ARGV[3] ceiling or 0, [4..] the ids. -> how many were added */
static const char publish[] =
    "local added, ceiling = 0, tonumber(ARGV[3])\n"
    "load({unpack(ARGV, 4)})\n"
    "local problem = save_behind(function()\n"
    "  for i = 1, #KEYS do added = added + publish(ARGV[i + 3], KEYS[i], ceiling) end\n"
    "end)\n"
    "return problem or added\n";

/* KEYS[1] stream; ARGV[3] want. -> entry, id, crashes, entry, id, ...
 *
 * Claiming in order of arrival. As many as were wanted: there may be more, so the bell rings for somebody else;
 * fewer: all is read, so it is silenced. Dropped entries are made up for, in a bounded number of rounds. */
static const char fetch[] =
    "local stream, want, drained = KEYS[1], tonumber(ARGV[3]), false\n"
    "local left = want\n"
    "if left < 1 then return out end\n" /* COUNT 0 would be all there is */
    "for round = 1, 10 do\n"
    "  local r = redis.pcall('XREADGROUP', 'GROUP', GROUP, OWNER, 'COUNT', left, 'STREAMS', stream, '>')\n"
    "  if r and r.err then\n"
    "    if not string.find(r.err, 'NOGROUP', 1, true) then return r end\n"
    "    if call('EXISTS', stream) == 0 then sweep(stream) return out end\n"
    "    make_group(stream)\n"
    "    r = call('XREADGROUP', 'GROUP', GROUP, OWNER, 'COUNT', left, 'STREAMS', stream, '>')\n"
    "  end\n"
    "  drained = not r or #r[1][2] < left\n"
    "  take(stream, r and r[1][2] or {}, claimed)\n"
    "  left = want - #out / 3\n"
    "  if drained or left == 0 then break end\n"
    "end\n"
    "leave()\n"
    "if drained then call('ZREM', bell((parse(stream))), stream) else ring(stream) end\n"
    "if #out == 0 then sweep(stream) end\n" /* what was claimed is there still */
    "return out\n";

/* For each hop: KEYS the stream of its claim, then a stream per item; ARGV entry, id, crashes of the claim, the number of
 * items, their ids. From KEYS[1] and ARGV[3] on. -> how many claims were ours
 *
 * Redis without memory refuses a script that begins with an addition, and lets one go on that has removed something. So
 * what goes (claims that are ours, entries that nobody needs) goes before anything comes: a full Redis can be emptied.
 * Where the claims are others' nothing is freed, and a full Redis takes nothing in. A wish goes with the claim: a job that was
 * routed is not pending again, and an id that moves is looked at once more. The record of one that moves is written over,
 * and goes where its addition failed. */
static const char hop[] =
    /* Of each hop its claim, and where its own id goes, or false; of the other items their ids and streams. */
    "local from, entries, ids, crashes, to = {}, {}, {}, {}, {}\n"
    "local others, streams, touched, key, arg, ours = {}, {}, {}, 1, 3, 0\n"
    "while key <= #KEYS do\n"
    "  local n, id, count = #ids + 1, ARGV[arg + 1], tonumber(ARGV[arg + 3])\n"
    "  from[n], entries[n], ids[n], crashes[n], to[n] = KEYS[key], ARGV[arg], id, ARGV[arg + 2], false\n"
    "  for i = 1, count do\n"
    "    local item, stream = ARGV[arg + 3 + i], KEYS[key + i]\n"
    "    if item == id then to[n] = stream\n"
    "    else\n"
    "      local last = #others + 1\n"
    "      others[last], streams[last] = item, stream\n"
    "    end\n"
    "  end\n"
    "  key, arg = key + 1 + count, arg + 4 + count\n"
    "end\n"
    "load(ids)\n"
    "load(others)\n"
    "for i = 1, #ids do\n"
    "  local stream, entry, id = from[i], entries[i], ids[i]\n"
    "  local whose = standing(stream, id, entry, crashes[i])\n"
    "  if whose == 'mine' then\n"
    "    ours = ours + 1\n"
    "    drop(stream, entry)\n"
    "    if to[i] then records[id] = false else forget(id) end\n"
    "  else\n"
    "    to[i] = false\n"
    "    if whose == 'none' then drop_stale(stream, entry, id) end\n"
    "  end\n"
    "  if whose ~= 'other' then touched[stream] = true end\n"
    "end\n"
    "leave()\n"
    "local problem = save_behind(function()\n"
    "  for i = 1, #ids do\n"
    "    if to[i] then add(ids[i], to[i], '0') end\n"
    "  end\n"
    "  for i = 1, #others do publish(others[i], streams[i], 0) end\n"
    "end)\n"
    "if problem then\n"
    "  for i = 1, #ids do\n"
    "    if to[i] and not records[ids[i]] then forget(ids[i]) end\n"
    "  end\n"
    "  leave()\n"
    "  return problem\n"
    "end\n"
    "for stream in pairs(touched) do sweep(stream) end\n"
    "return ours\n";

/* KEYS a stream for each; ARGV[3..] entry, id, crashes, '1' where the id has ended, for each. -> how many were settled
 *
 * An end is sticky: the id goes, wherever it is by now. Whoever wished to publish it meanwhile gets an entry, also
 * where it has ended: the next worker looks, and finishes it. */
static const char finish[] =
    "local settled, touched, wishes, ids = 0, {}, {}, {}\n"
    "local function settle(stream, entry, id, crashes, ended)\n"
    "  local whose, r = standing(stream, id, entry, crashes)\n"
    "  if whose == 'other' and not ended then return end\n"
    "  touched[stream] = true\n"
    "  if whose == 'none' then drop_stale(stream, entry, id) end\n"
    "  if whose == 'mine' then\n"
    "    drop(stream, entry)\n"
    "  elseif not ended then return\n"
    "  elseif r then\n"
    "    drop(r.stream, r.entry)\n"
    "    touched[r.stream] = true\n"
    "  end\n"
    "  if r and r.wish ~= '' then wishes[id] = r.wish end\n"
    "  forget(id)\n"
    "  settled = settled + 1\n"
    "end\n"
    "for i = 1, #KEYS do ids[i] = ARGV[4 * i] end\n"
    "load(ids)\n"
    "for i = 1, #KEYS do\n"
    "  local arg = 4 * i - 1\n"
    "  settle(KEYS[i], ARGV[arg], ids[i], ARGV[arg + 2], ARGV[arg + 3] == '1')\n"
    "end\n"
    "leave()\n"
    "local problem = save_behind(function()\n"
    "  for id, wish in pairs(wishes) do add(id, wish, '0') end\n"
    "end)\n"
    "if problem then return problem end\n"
    "for stream in pairs(touched) do sweep(stream) end\n"
    "return settled\n";

/* KEYS[1] stream; ARGV[3] entry, [4] id, [5] crashes. -> 1 released, 0 another's */
static const char release[] =
    "local stream, entry, id, crashes = KEYS[1], ARGV[3], ARGV[4], ARGV[5]\n"
    "load({id})\n"
    "local whose = standing(stream, id, entry, crashes)\n"
    "local who = whose == 'mine' and holder(stream, entry) or OWNER\n"
    "if whose == 'other' or who ~= OWNER then return 0 end\n"
    "if whose == 'mine' then drop(stream, entry) else drop_stale(stream, entry, id) end\n"
    "leave()\n"
    "if whose == 'mine' then add(id, stream, crashes) end\n"
    "save()\n"
    "sweep(stream)\n"
    "return whose == 'mine' and 1 or 0\n";

/* KEYS[1] stream; ARGV[3] entry, [4] id, [5] crashes. -> 1 still ours, 0 lost
 *
 * JUSTID: the idle clock starts again, the delivery counter stays. An entry that is no longer pending (somebody
 * destroyed the group) will be read again, so it is lost; so is one that another has read since. */
static const char renew[] =
    "local stream, entry, id = KEYS[1], ARGV[3], ARGV[4]\n"
    "load({id})\n"
    "if standing(stream, id, entry, ARGV[5]) ~= 'mine' or holder(stream, entry) ~= OWNER then return 0 end\n"
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
    "out[1] = r[1]\n"
    "take(stream, r[2], function(entry, id, crashes)\n"
    "  put(changed, id, record_text(tostring(crashes + 1), entry, '', stream))\n"
    "  claimed(entry, id, crashes + 1)\n"
    "end)\n"
    "leave()\n"
    "save()\n"
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
    "local out, touched = {}, {}\n"
    "load({unpack(ARGV, 3)})\n"
    "for i = 3, #ARGV do\n"
    "  local id = ARGV[i]\n"
    "  local r = present(id)\n"
    "  if r and holder(r.stream, r.entry) then\n"
    "    out[#out + 1] = 0\n"
    "  else\n"
    "    if r then\n"
    "      drop(r.stream, r.entry)\n"
    "      touched[r.stream] = true\n"
    "    end\n"
    "    forget(id)\n"
    "    out[#out + 1] = 1\n"
    "  end\n"
    "end\n"
    "leave()\n"
    "for stream in pairs(touched) do sweep(stream) end\n"
    "return out\n";

/* ARGV[3] id. -> nothing, or stream without its prefix, who holds it ('': nobody), entries before it */
static const char find[] =
    "local r = present(ARGV[3])\n"
    "if not r then return {} end\n"
    "local ahead = #call('XRANGE', r.stream, '-', '(' .. r.entry, 'COUNT', 1000)\n"
    "return {string.sub(r.stream, #P + 1), holder(r.stream, r.entry) or '', ahead}\n";

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
/* clang-format on */

static const struct {
    const char *name, *text;
    bool whole; /* the text is all of it */
} bodies[QUEUE_SCRIPT_COUNT] = {
    [QUEUE_SCRIPT_PUBLISH] = {"publish", publish, false},
    [QUEUE_SCRIPT_FETCH] = {"fetch", fetch, false},
    [QUEUE_SCRIPT_HOP] = {"hop", hop, false},
    [QUEUE_SCRIPT_FINISH] = {"finish", finish, false},
    [QUEUE_SCRIPT_RELEASE] = {"release", release, false},
    [QUEUE_SCRIPT_RENEW] = {"renew", renew, false},
    [QUEUE_SCRIPT_REAP] = {"reap", reap, false},
    [QUEUE_SCRIPT_RECALL] = {"recall", recall, false},
    [QUEUE_SCRIPT_FIND] = {"find", find, false},
    [QUEUE_SCRIPT_EPOCH] = {"epoch", epoch, false},
    [QUEUE_SCRIPT_SURVEY] = {"survey", survey, false},
    [QUEUE_SCRIPT_HOLDS] = {"holds", hold_script_look, true},
    [QUEUE_SCRIPT_REPORT] = {"report", hold_script_report, true},
    [QUEUE_SCRIPT_LIFT] = {"lift", hold_script_lift, true},
    [QUEUE_SCRIPT_PROBE] = {"probe", hold_script_probe, true},
    [QUEUE_SCRIPT_GRANT] = {"grant", hold_script_grant, true},
};

void queue_scripts_init(struct redis_script scripts[QUEUE_SCRIPT_COUNT])
{
    for (int i = 0; i < QUEUE_SCRIPT_COUNT; i++) {
        const char *text = bodies[i].text;

        scripts[i] = (struct redis_script){
            .name = bodies[i].name,
            .text = bodies[i].whole ? xstrdup(text) : xasprintf("%s%s%s%s", streams, records, claims, text)};
    }
}

void queue_scripts_release(struct redis_script scripts[QUEUE_SCRIPT_COUNT])
{
    for (int i = 0; i < QUEUE_SCRIPT_COUNT; i++) {
        free((char *)scripts[i].text);
        scripts[i] = (struct redis_script){0};
    }
}
