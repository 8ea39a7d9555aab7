"""What Redis does in one step: the algorithm of ``memory`` over keys that all processes share.

Keys: ``levels`` (hash: time, virtual time, per bucket its level and what those who wait ask of it, per lane its last tag), ``waiting``
(sorted set of tickets by tag), ``asks`` (hash: what a ticket costs and whose it is), ``owners`` (hash: when each was last seen) and
``grants`` (hash: tickets that passed and that their owner does not know of yet).
"""

_TIME = """
local function clock(given)
  if given ~= '' then return tonumber(given) end
  local t = redis.call('TIME')
  return tonumber(t[1]) + tonumber(t[2]) / 1000000
end
local function exact(number) return string.format('%.17g', number) end
"""
_REFILL = (
    _TIME
    + """
local function refilled(key, now, n, rate, capacity)
  local at = tonumber(redis.call('HGET', key, 't') or now)
  local elapsed = math.max(now - at, 0)
  local level = {}
  for b = 1, n do
    local stored = tonumber(redis.call('HGET', key, 'b' .. b) or capacity[b])
    level[b] = math.min(capacity[b], stored + elapsed * rate[b])
  end
  return level, math.max(now, at)
end
"""
)

TURN = (
    _REFILL
    + """
local levels, waiting, asks, owners, grants = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local i = 0
local function text() i = i + 1; return ARGV[i] end
local function number() return tonumber(text()) end

local me, complete, now, patience, slack, ttl_ms = text(), text() == '1', clock(text()), number(), number(), number()
if not complete and redis.call('HEXISTS', owners, me) == 0 then return {'lost'} end
local n, rate, capacity, asked = number(), {}, {}, {}
for b = 1, n do rate[b], capacity[b] = number(), number() end
local level, at = refilled(levels, now, n, rate, capacity)
local virtual = tonumber(redis.call('HGET', levels, 'v') or '0')
for b = 1, n do asked[b] = tonumber(redis.call('HGET', levels, 'a' .. b) or '0') end

local function entry(ticket)
  local stored = redis.call('HGET', asks, ticket)
  if not stored then return nil end
  local owner, rest = string.match(stored, '^(%S+) (.*)$')
  local cost = {}
  for word in string.gmatch(rest, '%S+') do cost[#cost + 1] = tonumber(word) end
  return owner, cost
end
local function remove(ticket, cost)
  redis.call('ZREM', waiting, ticket)
  redis.call('HDEL', asks, ticket)
  for b = 1, n do asked[b] = asked[b] - (cost[b] or 0) end
end

local function is_gone(owner)
  if owner == me then return false end
  local seen = redis.call('HGET', owners, owner)
  return not seen or now - tonumber(seen) > patience
end

for _ = 1, number() do
  local ticket = text()
  local owner, cost = entry(ticket)
  if owner then remove(ticket, cost) end
end

for _ = 1, number() do
  local ticket, lane, weight, work, words = text(), text(), number(), 0, {}
  for b = 1, n do
    words[b] = text()
    work = math.max(work, tonumber(words[b]) / rate[b])
  end
  if redis.call('HEXISTS', asks, ticket) == 0 then
    local tag = math.max(virtual, tonumber(redis.call('HGET', levels, 'l' .. lane) or '0')) + work / weight
    redis.call('HSET', levels, 'l' .. lane, exact(tag))
    redis.call('ZADD', waiting, exact(tag), ticket)
    redis.call('HSET', asks, ticket, me .. ' ' .. table.concat(words, ' '))
    for b = 1, n do asked[b] = asked[b] + tonumber(words[b]) end
  end
end

local passed, next_s, reason = {}, 0, 0
while true do
  local head = redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')
  if #head == 0 then break end
  local ticket, tag = head[1], tonumber(head[2])
  local owner, cost = entry(ticket)
  if not owner then
    redis.call('ZREM', waiting, ticket)
  elseif is_gone(owner) then
    remove(ticket, cost)
    redis.call('HDEL', owners, owner)
  else
    for b = 1, n do
      local missing = math.min(cost[b], capacity[b]) - level[b]
      if cost[b] > 0 and missing > slack and missing / rate[b] > next_s then next_s, reason = missing / rate[b], b end
    end
    if next_s > 0 then break end
    for b = 1, n do level[b] = level[b] - cost[b] end
    virtual = math.max(virtual, tag)
    remove(ticket, cost)
    if owner == me then
      passed[#passed + 1] = ticket
    else
      redis.call('HSET', grants, owner, (redis.call('HGET', grants, owner) or '') .. ' ' .. ticket)
    end
  end
end
for ticket in string.gmatch(redis.call('HGET', grants, me) or '', '%S+') do passed[#passed + 1] = ticket end
redis.call('HDEL', grants, me)
redis.call('HSET', owners, me, exact(now))

local backlog_s, full_s = 0, 0
local empty = redis.call('ZCARD', waiting) == 0
redis.call('HSET', levels, 't', exact(at), 'v', exact(virtual))
for b = 1, n do
  if empty then asked[b] = 0 else backlog_s = math.max(backlog_s, (asked[b] - level[b]) / rate[b]) end
  full_s = math.max(full_s, (capacity[b] - level[b]) / rate[b])
  redis.call('HSET', levels, 'b' .. b, exact(level[b]), 'a' .. b, exact(asked[b]))
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, math.ceil(ttl_ms + 1000 * (full_s + backlog_s))) end
return {'ok', exact(next_s), reason, exact(backlog_s), passed}
"""
)

ADJUST = (
    _REFILL
    + """
local now, ttl_ms, n = clock(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local rate, capacity, amount = {}, {}, {}
for b = 1, n do
  rate[b], capacity[b], amount[b] = tonumber(ARGV[3 * b + 1]), tonumber(ARGV[3 * b + 2]), tonumber(ARGV[3 * b + 3])
end
local level, at = refilled(KEYS[1], now, n, rate, capacity)
local full_s = 0
redis.call('HSET', KEYS[1], 't', exact(at))
for b = 1, n do
  level[b] = math.min(capacity[b], level[b] + amount[b])
  full_s = math.max(full_s, (capacity[b] - level[b]) / rate[b])
  redis.call('HSET', KEYS[1], 'b' .. b, exact(level[b]))
end
redis.call('PEXPIRE', KEYS[1], math.ceil(ttl_ms + 1000 * full_s))
return 1
"""
)

TAKE = (
    _TIME
    + """
local now, out = clock(ARGV[1]), {}
for i = 1, #KEYS do
  local interval, window, slack, want = tonumber(ARGV[4 * i - 2]), tonumber(ARGV[4 * i - 1]), tonumber(ARGV[4 * i]), tonumber(ARGV[4 * i + 1])
  local full = math.max(tonumber(redis.call('GET', KEYS[i]) or now), now)
  local there = math.max(math.floor((window - (full - now) + slack) / interval), 0)
  local granted = math.min(want, there)
  if granted > 0 then
    full = full + granted * interval
    redis.call('SET', KEYS[i], exact(full), 'PX', math.ceil(1000 * (full - now)) + 1000)
  end
  out[#out + 1] = granted
  out[#out + 1] = there - granted
  out[#out + 1] = exact(full - now)
end
return out
"""
)
"""Tokens of several buckets, of each as many as wanted and there are. A key holds the time at which its bucket is full: see ``rates``."""
