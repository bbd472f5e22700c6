/*
 * Breakers, pauses and rates in Redis: each script is atomic, and time is Redis's. What is said about a
 * destination must be known to a Redis without memory, too.
 */
#include "hold_scripts.h"

/* clang-format off */
/* What the scripts of a hold share. HSET dist:{0}:holds web "5 1700000060000 0 0 1700000000000"; a destination that
 * said to be gone has a sixth number: when.
 *
 * Stale is what is an hour past, what was written in the future (the clock was set back) and what nobody can read.
 * HDEL goes first because Redis without memory refuses a script that begins with an addition: what is said about a
 * destination must be known then, too. */
#define HOLD_LUA                                                                              \
    "local call = redis.call\n"                                                               \
    "local function now_ms()\n"                                                               \
    "  local t = call('TIME')\n"                                                              \
    "  return t[1] * 1000 + math.floor(t[2] / 1000)\n"                                        \
    "end\n"                                                                                   \
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
const char hold_script_look[] = HOLD_LUA
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
const char hold_script_report[] = HOLD_LUA
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
const char hold_script_lift[] = HOLD_LUA
    "local now = now_ms()\n"
    "local h = read(call('HGET', KEYS[1], ARGV[3]), now)\n"
    "if h.gone == 0 then return 0 end\n"
    "h.gone = 0\n"
    "write(ARGV[3], h, now)\n"
    "return 1\n";

/* KEYS[1] the holds; ARGV[3] destination, [4] for how many ms, 0: it was not used. -> 1 granted */
const char hold_script_probe[] = HOLD_LUA
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
const char hold_script_grant[] =
    "local call, t = redis.call, redis.call('TIME')\n"
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
