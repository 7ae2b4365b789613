-- What a move of sessions does here: looks, and changes what is still as it was when it was looked at.
-- No limit of an application's is known. Each script is what stands above the first "--- name", and its
-- own text.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000

local function exact(number) return string.format('%.17g', number) end

local function milliseconds(moment) return string.format('%.0f', moment * 1000) end

local function rest(key) return string.match(key, '}(.*)$') end

-- What is to be as it was: a hash, or a field of one ('': the whole).
local function state_of(key, field)
  if field ~= '' then return {redis.call('HGET', key, field) or ''} end
  return redis.call('HGETALL', key)
end

local function print_of(key, field) return redis.sha1hex(table.concat(state_of(key, field), '\n')) end

-- Remember what was taken in: the hash of these of a hash tag, the name, the mark ('': as it was).
local function remember(key, name, mark, seconds)
  if mark ~= '' then redis.call('HSET', key, name, mark) end
  redis.call('PEXPIRE', key, milliseconds(seconds))
end

--- identify flags=allow-oom
-- KEYS: the identity. ARGV: what it is to be where there is none, and how long it is kept from now on.
redis.call('SET', KEYS[1], ARGV[1], 'NX')
redis.call('PEXPIRE', KEYS[1], milliseconds(ARGV[2]))
return redis.call('GET', KEYS[1])

--- forget_source
-- KEYS: the marks. ARGV: the identity of the store that they are to name, the names of marks.
for at = 2, #ARGV do
  local mark = redis.call('HGET', KEYS[1], ARGV[at]) or ''
  if string.sub(mark, 1, #ARGV[1]) == ARGV[1] then redis.call('HDEL', KEYS[1], ARGV[at]) end
end

--- look flags=no-writes
-- KEYS: the marks, hashes. ARGV: the name of the mark, a field of each hash ('': all). Answers with the
-- time, the mark, and of each hash what it has, and a fingerprint of that.
local answer = {exact(now), redis.call('HGET', KEYS[1], ARGV[1]) or ''}
for at = 2, #KEYS do
  answer[#answer + 1] = state_of(KEYS[at], ARGV[2])
  answer[#answer + 1] = print_of(KEYS[at], ARGV[2])
end
return answer

--- put
-- KEYS: the marks, a hash, and of a session the index. ARGV: the name of the mark, the mark, how long
-- marks are kept; the hash's fingerprint; when it is thrown away; whether the session is to be looked
-- at; what all workers are told, with the channel before it ('': nothing); the fields.
if print_of(KEYS[2], '') ~= ARGV[4] then return 0 end
redis.call('UNLINK', KEYS[2])
if #ARGV > 8 then
  for at = 9, #ARGV, 1000 do
    redis.call('HSET', KEYS[2], unpack(ARGV, at, math.min(at + 999, #ARGV)))
  end
  redis.call('PEXPIREAT', KEYS[2], milliseconds(tonumber(ARGV[5])))
end
if KEYS[3] and ARGV[6] == '1' then
  redis.call('ZADD', KEYS[3], exact(now), rest(KEYS[2]))
elseif KEYS[3] then
  redis.call('ZREM', KEYS[3], rest(KEYS[2]))
end
if ARGV[7] ~= '' then redis.pcall('PUBLISH', ARGV[7], ARGV[8]) end
remember(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
return 1

--- put_end
-- KEYS: the marks, the ends of a hash tag that are to be told, when each may be taken. ARGV: the name of
-- the mark, the mark, how long marks are kept; the fingerprint; how long ends are kept; what the id has
-- behind its hash tag, the end ('': there is to be none).
if print_of(KEYS[2], ARGV[6]) ~= ARGV[4] then return 0 end
if ARGV[7] == '' then
  redis.call('HDEL', KEYS[2], ARGV[6])
  redis.call('ZREM', KEYS[3], ARGV[6])
else
  redis.call('HSET', KEYS[2], ARGV[6], ARGV[7])
  redis.call('ZADD', KEYS[3], exact(now), ARGV[6])
  redis.call('PEXPIRE', KEYS[2], milliseconds(ARGV[5]))
  redis.call('PEXPIRE', KEYS[3], milliseconds(ARGV[5]))
end
remember(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
return 1

--- enlist
-- KEYS: a user's list. ARGV: an id, and for how long the list is kept at least.
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
local place = exact(last and math.max(now, tonumber(last) + 0.000001) or now)
redis.call('ZADD', KEYS[1], 'NX', place, ARGV[1])
local gone = now + tonumber(ARGV[2])
if redis.call('PEXPIRETIME', KEYS[1]) < gone * 1000 then
  redis.call('PEXPIREAT', KEYS[1], milliseconds(gone))
end
return 1

--- leave flags=allow-oom
-- KEYS: a user's list. ARGV: an id.
return redis.call('ZREM', KEYS[1], ARGV[1])
