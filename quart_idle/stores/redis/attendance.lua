-- Open pages of all workers, all under one hash tag: a script has any of their keys, on a cluster, too.
-- KEYS: `leases`, which worker's is over when; `sessions` and `users`, how many pages each has;
-- `gone`, users without any, and since when; `pages`, how many there are. What one worker has is a
-- hash, BOARDS with its name: sessions with their pages and user, and under LAST its last report.
--
-- All scripts that can take room are run though Redis is full: the sessions of the pages are there.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000

local function late() return now > tonumber(ARGV[1]) end

local function exact(number) return string.format('%.17g', number) end

local leases, sessions, users, gone, pages = unpack(KEYS)

local function add(counts, name, more)
  local many = redis.call('HINCRBY', counts, name, more)
  if many <= 0 then redis.call('HDEL', counts, name) end
  return many
end

local function split(raw)
  if not raw then return 0, '' end
  local at = string.find(raw, ':', 1, true)
  return tonumber(string.sub(raw, 1, at - 1)), string.sub(raw, at + 1)
end

-- Take in what a worker has of a session at a moment; whoever came online is put into `came`.
local function set(board, id, raw, at, came)
  local was, was_user = split(redis.call('HGET', board, id))
  local many, user = split(raw)
  if many > 0 then redis.call('HSET', board, id, raw) else redis.call('HDEL', board, id) end
  add(sessions, id, many - was)
  add(pages, 'all', many - was)
  if many > 0 and user ~= '' and add(users, user, many) == many then
    if redis.call('ZREM', gone, user) == 0 then came[#came + 1] = user end
  end
  if was > 0 and was_user ~= '' and add(users, was_user, -was) <= 0 then
    redis.call('ZADD', gone, exact(at), was_user)
  end
end

-- Take off some pages of workers whose lease is over. Where nobody could look for a while they may
-- all be there still: nobody is told of as gone until they can have reported.
local left_to_take_off = MOST_TAKEN_OFF
local function take_off()
  local late = false
  local over = redis.call('ZRANGE', leases, '-inf', exact(now), 'BYSCORE', 'WITHSCORES')
  for at = 1, #over, 2 do
    if left_to_take_off <= 0 then break end
    local board = BOARDS .. over[at]
    local found = redis.call('HRANDFIELD', board, left_to_take_off)
    for _, id in ipairs(found) do
      if id == LAST then
        redis.call('HDEL', board, LAST)
      else
        set(board, id, nil, over[at + 1], {})
        late = late or now - tonumber(over[at + 1]) > FOUND_LATE
      end
    end
    if #found < left_to_take_off then redis.call('ZREM', leases, over[at]) end
    left_to_take_off = left_to_take_off - #found
  end
  if late then redis.call('ZADD', leases, exact(now + HELD_BACK), STAND_IN) end
end

-- End a worker's lease.
local function forget(worker)
  redis.call('ZADD', leases, 'XX', 'LT', exact(now), worker)
  take_off()
end

take_off()

--- report flags=allow-oom
-- ARGV: when it is too late; the worker; its report's number; lease; before when users are gone for
-- good, and whether they are told of here; for how long they are kept that nobody tells of; sessions,
-- each with pages and user. Answers with nothing if it is not the number that comes next; else with who
-- came online, who is gone (each with since when), when, and when a grace or lease is over.
if late() then return LATE end
local worker, number, lease = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local grace, tells, kept = tonumber(ARGV[5]), ARGV[6] == '1', tonumber(ARGV[7])
local board = BOARDS .. worker
local ends = tonumber(redis.call('ZSCORE', leases, worker) or 0)
local last = ends > now and redis.call('HGET', board, LAST)
local known, came, left, at = 0, {}, {}, exact(now)
if last then known, came, left, at = unpack(cmsgpack.unpack(last)) end
if number ~= known and number ~= known + 1 then
  forget(worker)
  return false
end
local held_back = tonumber(redis.call('ZSCORE', leases, STAND_IN) or 0) > now
if number > known then
  came, at = {}, exact(now)
  local before = held_back and '-inf' or exact(now - grace - (tells and 0 or kept))
  left = redis.call('ZRANGE', gone, '-inf', before, 'BYSCORE', 'LIMIT', 0, MOST_TOLD, 'WITHSCORES')
  for place = 1, #left, 2 do redis.call('ZREM', gone, left[place]) end
  for place = 8, #ARGV, 2 do set(board, ARGV[place], ARGV[place + 1], now, came) end
  if not tells then came, left = {}, {} end
  redis.call('HSET', board, LAST, cmsgpack.pack({number, came, left, at}))
end
redis.call('ZADD', leases, exact(now + lease), worker)
for _, key in ipairs({board, unpack(KEYS)}) do redis.call('PEXPIRE', key, ABANDONED * 1000) end
local next = tonumber(redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')[2])
local first = redis.call('ZRANGE', gone, 0, 0, 'WITHSCORES')[2]
if first and tells and not held_back then next = math.min(next, tonumber(first) + grace) end
return {came, left, at, exact(math.max(0, next - now))}

--- forget_pages flags=allow-oom
-- ARGV: the worker. Answers whether some of its pages may count still.
forget(ARGV[1])
return redis.call('ZSCORE', leases, ARGV[1]) and 1 or 0

--- pages_of flags=allow-oom
-- ARGV: sessions.
return redis.call('HMGET', sessions, unpack(ARGV))

--- online flags=allow-oom
-- ARGV: the grace; users. Answers, for each, whether they are online.
local found = redis.call('HMGET', users, unpack(ARGV, 2))
for at, many in ipairs(found) do
  local since = not many and redis.call('ZSCORE', gone, ARGV[at + 1])
  found[at] = (many or since and tonumber(since) > now - tonumber(ARGV[1])) and 1 or 0
end
return found

--- count_pages flags=allow-oom
-- ARGV: the grace.
local lately = redis.call('ZCOUNT', gone, '(' .. exact(now - tonumber(ARGV[1])), '+inf')
local many = tonumber(redis.call('HGET', pages, 'all') or 0)
return {redis.call('HLEN', users) + lately, redis.call('HLEN', sessions), many}
