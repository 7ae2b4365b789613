-- The scripts of the Redis store. Each is what stands above the first "--- name", its own text, and
-- before both constants (scripts.py): the application's limits, names of fields (packing.py), answers.
-- The rule of the clocks is that of policy.py.
--
-- Flags: a script without any is refused when Redis is full; one with allow-oom makes room, or takes
-- none.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000

local function late() return now > tonumber(ARGV[1]) end

-- What the lifetime counts from: behind the rest, if it is not when the session was created, or how
-- its user signed in stands behind it.
local function began(raw, created) return #raw > 33 and struct.unpack('<d', raw, 34) or created end

local function read(key)
  local raw = redis.call('HGET', key, CLOCKS)
  if not raw then return nil end
  local created, active, seen, own, paged = struct.unpack('<ddddB', raw)
  return {
    created = created, began = began(raw, created), active = active, seen = seen, own = own,
    paged = paged, sign_in = string.sub(raw, 42)
  }
end

local function deadline(began, active, seen, own, paged)
  local at, why = active + (own > 0 and own or TIMEOUT), BY_IDLE
  if paged == 1 and seen + CLOSED < at then at, why = seen + CLOSED, BY_CLOSED end
  if began + LIFETIME <= at then at, why = began + LIFETIME, BY_LIFETIME end
  return at, why
end

-- One of many that was tampered with holds up no other: it is none of theirs.
local function readable(key)
  local fine, c = pcall(read, key)
  return fine and c or nil
end

local function due(c) return deadline(c.began, c.active, c.seen, c.own, c.paged) end

local function alive(key)
  local c = read(key)
  if c and due(c) > now then return c end
end

local function packed(c)
  local raw = struct.pack('<ddddB', c.created, c.active, c.seen, c.own, c.paged)
  if c.began == c.created and c.sign_in == '' then return raw end
  return raw .. struct.pack('<d', c.began) .. c.sign_in
end

local function exact(number) return string.format('%.17g', number) end

local function rest(key) return string.match(key, '}(.*)$') end

-- Users' lists: ids by the place that they have. One server has all keys, and a session is listed by
-- the script that writes it. The nodes of a cluster do not: there the caller has the id join before
-- that, and is told afterwards what left, and what is to join once more (lists.py).

local left, joins = {}, {}

local function answered(answer)
  if #left == 0 and #joins == 0 then return answer end
  return {answer, left, joins}
end

local function id_of(key)
  local tag, rest = string.match(key, '{(.-)}(.*)$')
  return tag .. rest
end

local function place_of(id)
  local place = SESSIONS .. string.sub(id, 1, HASH_TAG_LENGTH) .. '}'
  return place .. string.sub(id, HASH_TAG_LENGTH + 1), place .. INDEX
end

local function list_of(user) return USER_LISTS .. redis.sha1hex(user) .. '}' end

-- A list is kept as long as any of its sessions, also where no worker is left to sweep them.
local function join(list, id, place, gone)
  if not place then
    local last = redis.call('ZRANGE', list, -1, -1, 'WITHSCORES')[2]
    place = exact(last and math.max(now, tonumber(last) + 0.000001) or now)
  end
  redis.call('ZADD', list, 'NX', place, id)
  gone = math.ceil(gone * 1000)
  if redis.call('PEXPIRETIME', list) < gone then
    redis.call('PEXPIREAT', list, string.format('%.0f', gone))
  end
end

local function leave(user, id)
  if ALONE then
    redis.call('ZREM', list_of(user), id)
  else
    left[#left + 1] = user
    left[#left + 1] = id
  end
end

-- `again`: whether it may not be listed, since a worker of an earlier release wrote it.
local function watch(key, index, c, place, again)
  local at = due(c)
  -- (On a cluster it joins its list again when it is looked at: before that is thrown away.)
  redis.call('ZADD', index, exact(ALONE and at or math.min(at, now + TIMEOUT + ABANDONED)), rest(key))
  local gone = math.max(at, now) + (c.own > 0 and c.own or TIMEOUT) + ABANDONED
  redis.call('PEXPIREAT', key, string.format('%.0f', gone * 1000))
  local user = redis.call('HGET', key, USER)
  if not user then return end
  if ALONE then
    join(list_of(user), id_of(key), place, gone)
  elseif again or c.own > 0 then
    joins[#joins + 1] = user
    joins[#joins + 1] = id_of(key)
    joins[#joins + 1] = exact(c.own)
  end
end

local function tell(kind, key, first, second)
  local tag, rest = string.match(key, '{(.-)}(.*)$')
  redis.pcall('PUBLISH', CHANNEL, table.concat({kind, tag .. rest, first, second}, '\n'))
end

local function with_length(text)
  return text and struct.pack('<i4', #text) .. text or struct.pack('<i4', -1)
end

-- Keep an end that is to be told, by the place of its index. `by`: the id of the session whose request
-- it was; `was`: clocks and user, if they have changed meanwhile.
local function put_out(key, index, reason, at, by, was)
  local place = string.sub(index, 1, -1 - #INDEX)
  local untold, taken = place .. UNTOLD, place .. TAKEN
  local clocks, user = unpack(was or redis.call('HMGET', key, CLOCKS, USER))
  if redis.call('ZCARD', taken) >= MOST_UNTOLD then
    redis.call('HDEL', untold, redis.call('ZPOPMAX', taken)[1])
    redis.call('HSET', untold, LOST, '')
  end
  local raw = struct.pack('<Bd', 0, at)
  raw = raw .. with_length(reason) .. with_length(by) .. with_length(user) .. with_length(clocks)
  redis.call('HSET', untold, rest(key), raw)
  redis.call('ZADD', taken, exact(now), rest(key))
  for _, name in ipairs({untold, taken}) do
    redis.call('PEXPIRE', name, string.format('%.0f', UNTOLD_KEPT * 1000))
  end
end

local function finish(key, index, reason, at, by, was, ...)
  if OUTBOX and reason ~= REGENERATED then put_out(key, index, reason, at, by, was) end
  local user = redis.call('HGET', key, USER)
  if user then leave(user, id_of(key)) end
  redis.call('UNLINK', key)
  redis.call('HSET', key, REASON, reason, ENDED_AT, exact(at), ...)
  redis.call('PEXPIREAT', key, string.format('%.0f', (at + KEPT) * 1000))
  redis.call('ZREM', index, rest(key))
  tell('ended', key, exact(now - at), reason)
end

-- See to it that a user may have one more session beside their own here, who is to have so many at
-- most: the others with the oldest activity end for it. Answers where there is no room: REFUSED (most
-- is a number below 0), or MORE, with some ended of very many, and is asked again. `by`: its id.
local function make_room(user, most, own, by)
  if most == 0 then return end
  local list, refuses, others = list_of(user), most < 0, {}
  most = math.abs(most)
  local ids = redis.call('ZRANGE', list, 0, most + MOST_ENDED - 1)
  local more = redis.call('ZCARD', list) > #ids
  for at, id in ipairs(ids) do
    local key, index = place_of(id)
    local c = key ~= own and readable(key)
    local ends, why = c and due(c)
    if c and ends > now and redis.call('HGET', key, USER) == user then
      others[#others + 1] = {key = key, index = index, active = c.active, at = at}
      if refuses and #others == most then return REFUSED end
    elseif more and c and ends <= now then
      finish(key, index, why, ends)
    elseif more and key ~= own then
      redis.call('ZREM', list, id)
    end
  end
  table.sort(others, function(one, other)
    if one.active == other.active then return one.at < other.at end
    return one.active < other.active
  end)
  -- (Of some, too, so many of which were active later stay. Room for one more is made last.)
  for at = 1, #others - most + (more and 0 or 1) do
    finish(others[at].key, others[at].index, LIMIT, now, by)
  end
  if more then return MORE end
end

-- What of a session stays (SAME: all, ANEW: it is another user's from now on, CLEAR: nothing); and if
-- it follows, when the user proved who they are, and of one who signs in the device.
local function kind_of(argument) return string.sub(argument, 1, 1), string.sub(argument, 2) end

-- ARGV from `first`: own timeout ('': as it was), the kind, how many fields to set, those, fields to
-- delete. `moves`: whether it is to have another key, and is watched there.
local function apply(key, index, c, first, moves)
  local kind, sign_in = kind_of(ARGV[first + 1])
  local user = kind ~= SAME and redis.call('HGET', key, USER)
  if kind == CLEAR then
    for _, field in ipairs(redis.call('HKEYS', key)) do
      if field ~= CLOCKS and field ~= USER then redis.call('HDEL', key, field) end
    end
  end
  local last = first + 2 + 2 * tonumber(ARGV[first + 2])
  for at = first + 3, last, 1000 do
    redis.call('HSET', key, unpack(ARGV, at, math.min(at + 999, last)))
  end
  for at = last + 1, #ARGV do redis.call('HDEL', key, ARGV[at]) end
  if ARGV[first] ~= '' then c.own = tonumber(ARGV[first]) end
  if kind ~= SAME then c.began = now end
  if kind ~= SAME or sign_in ~= '' then
    local signed_in = redis.call('HGET', key, USER)
    if user and signed_in ~= user then leave(user, id_of(key)) end
    if not signed_in then
      c.sign_in = ''
    elseif sign_in ~= '' then
      local device = string.sub(#sign_in > 8 and sign_in or c.sign_in, 9)
      c.sign_in = struct.pack('<d', math.min(now, (struct.unpack('<d', sign_in)))) .. device
    end
  end
  if ARGV[first] ~= '' or kind ~= SAME or sign_in ~= '' then
    redis.call('HSET', key, CLOCKS, packed(c))
    if not moves then watch(key, index, c) end
  end
end

-- Whether a session has nothing any more but its clocks. (A user is a field, too.)
local function is_left_with_nothing(key)
  return #redis.call('HKEYS', key) == (redis.call('HGET', key, PERMANENT) and 2 or 1)
end

-- End a session that a change has left with nothing, if the change may do so: whether it did.
-- (One that may has a mark.) `was`: what `as_it_is` gave before that.
local function ended_for_nothing(key, index, mark, was)
  if mark == '' or not is_left_with_nothing(key) then return false end
  finish(key, index, SIGNED_OUT, now, id_of(key), was, ENDED_BY, mark)
  return true
end

local function as_it_is(key, mark) return OUTBOX and mark ~= '' and redis.call('HMGET', key, CLOCKS, USER) end

-- Whether it was this very call that ended a session: its answer was lost, and it is sent again.
local function ended_by(key, mark) return mark ~= '' and redis.call('HGET', key, ENDED_BY) == mark end

--- create
-- KEYS: the session, its index. ARGV: not after, how many sessions the user may have and who that is
-- (`make_room`), the change. One that is over stays so: this may be sent again.
if late() then return LATE end
local c = {created = now, began = now, active = now, seen = now, own = 0, paged = 0, sign_in = ''}
if redis.call('HEXISTS', KEYS[1], REASON) == 1 then return packed(c) end
local full = make_room(ARGV[3], tonumber(ARGV[2]), KEYS[1], id_of(KEYS[1]))
if full then return full end
redis.call('UNLINK', KEYS[1])
redis.call('HSET', KEYS[1], CLOCKS, packed(c))
watch(KEYS[1], KEYS[2], c)
apply(KEYS[1], KEYS[2], c, 4)
return answered(packed(c))

--- save
-- KEYS: the session, its index. ARGV: not after, the call's mark if the change may leave nothing, the
-- change. Answers with the id that the session has now, if another.
if late() then return LATE end
local mark = ARGV[2]
local c = alive(KEYS[1])
if not c then
  if ended_by(KEYS[1], mark) then return LEFT_WITH_NOTHING end
  return redis.call('HGET', KEYS[1], SAVES_TO) or 0
end
local was = as_it_is(KEYS[1], mark)
apply(KEYS[1], KEYS[2], c, 3)
if ended_for_nothing(KEYS[1], KEYS[2], mark, was) then return answered(LEFT_WITH_NOTHING) end
return answered(DONE)

--- regenerate
-- KEYS: the session, its index; the new id's. ARGV: not after, the new id, the call's mark if the
-- change may leave nothing, the user whose list the new id has joined (ANYBODY: that of the user whom
-- the change names), how many sessions the user may have and who that is (`make_room`), the change.
-- Where it is another user's list, answers with that user.
if late() then return LATE end
local new_id, mark, joined, kind = ARGV[2], ARGV[3], ARGV[4], kind_of(ARGV[8])
local c = alive(KEYS[1])
if not c then
  if ended_by(KEYS[1], mark) then return LEFT_WITH_NOTHING end
  return redis.call('HGET', KEYS[1], NEW_ID) == new_id and alive(KEYS[3]) and DONE or 0
end
local user, id, place = redis.call('HGET', KEYS[1], USER), id_of(KEYS[1]), nil
if user and ALONE then
  place = kind == SAME and redis.call('ZSCORE', list_of(user), id)
elseif user and joined ~= ANYBODY and joined ~= user then
  return user
end
if redis.call('HEXISTS', KEYS[3], FENCED) == 1 then return 0 end
local full = make_room(ARGV[6], tonumber(ARGV[5]), KEYS[1], new_id)
if full then return full end
local was = as_it_is(KEYS[1], mark)
apply(KEYS[1], KEYS[2], c, 7, true)
if ended_for_nothing(KEYS[1], KEYS[2], mark, was) then return answered(LEFT_WITH_NOTHING) end
if user and redis.call('HGET', KEYS[1], USER) == user then leave(user, id) end
redis.call('RENAME', KEYS[1], KEYS[3])
watch(KEYS[3], KEYS[4], c, place)
if kind == SAME then
  finish(KEYS[1], KEYS[2], REGENERATED, now, nil, nil, NEW_ID, new_id, SAVES_TO, new_id)
else
  finish(KEYS[1], KEYS[2], REGENERATED, now, nil, nil, NEW_ID, new_id)
end
return answered(DONE)

--- end flags=allow-oom
-- KEYS: the session, its index. ARGV: the reason, the call's mark, whose session it must be ('': anybody's),
-- whether one that is not there yet is to be none, and one that is not the user's yet is to end, too;
-- the id of the session whose request it is, if any. Answers with the id that it has now, if another.
local reason, mark, user, fence = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local fine, c = pcall(alive, KEYS[1])
if not fine or c then  -- one that was tampered with can be ended, if nothing else
  if user ~= '' and not fence and redis.call('HGET', KEYS[1], USER) ~= user then return 0 end
  finish(KEYS[1], KEYS[2], reason, now, ARGV[5], nil, ENDED_BY, mark)
  return answered(DONE)
end
if ended_by(KEYS[1], mark) then return DONE end
if fence and redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], REASON, reason, ENDED_AT, exact(now), FENCED, '')
  redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', (now + KEPT) * 1000))
end
return redis.call('HGET', KEYS[1], NEW_ID) or 0

--- renew flags=allow-oom
-- KEYS: sessions, then their indexes. ARGV: not after, how many, signs of life. Answers with the time,
-- and for each with its clocks, or why it ended and when; 0: it was tampered with, and holds up no other.
if late() then return LATE end
-- (Without tables that could be spared: this is most of what Redis does for open pages. Nobody asks
-- how the users signed in, which stands behind the clocks.)
local answer = {exact(now)}
local many, signs, at = tonumber(ARGV[2]), ARGV[3], 1
for number = 1, many do
  local key, seen_ago, active_ago, page, index = KEYS[number]
  seen_ago, active_ago, page, index, at = struct.unpack('<ddBH', signs, at)
  local raw = redis.pcall('HGET', key, CLOCKS)
  if raw and #raw ~= 33 and #raw < 41 then
    answer[number + 1] = 0
  elseif raw then
    local created, active, seen, own, paged = struct.unpack('<ddddB', raw)
    local from = began(raw, created)
    local ends, why = deadline(from, active, seen, own, paged)
    if ends <= now then
      answer[number + 1] = {why, exact(ends)}
    else
      if active_ago >= 0 then active = math.max(active, now - active_ago) end
      seen = math.max(seen, now - seen_ago)
      local new = struct.pack('<ddddB', created, active, seen, own, math.max(paged, page))
      new = new .. string.sub(raw, 34)
      if new ~= raw then
        redis.call('HSET', key, CLOCKS, new)
        if page > paged then
          local at = deadline(from, active, seen, own, page)
          redis.call('ZADD', KEYS[many + index], 'LT', exact(at), rest(key))
        end
        if paged == 1 and ends - now <= WARNING then tell('live', key, exact(now), string.sub(new, 1, 41)) end
      end
      answer[number + 1] = string.sub(new, 1, 41)
    end
  else
    answer[number + 1] = redis.call('HMGET', key, REASON, ENDED_AT)
  end
end
return answer

--- keep
-- KEYS: the places of a box. ARGV: not after, the draft's name, the draft.
if late() then return LATE end
local place, oldest
for _, key in ipairs(KEYS) do
  local name, at = unpack(redis.call('HMGET', key, 'name', 'at'))
  if name == ARGV[2] then place = key break end
  at = tonumber(at) or 0
  if not oldest or at < oldest then place, oldest = key, at end
end
redis.call('HSET', place, 'name', ARGV[2], 'at', exact(now), 'draft', ARGV[3])
redis.call('PEXPIREAT', place, string.format('%.0f', (now + DRAFT_KEPT) * 1000))
return 1

--- drafts flags=no-writes
-- KEYS: the places of a box. Answers with the name, the draft and the age of each.
local answer = {}
for _, key in ipairs(KEYS) do
  local name, at, draft = unpack(redis.call('HMGET', key, 'name', 'at', 'draft'))
  local age = now - (tonumber(at) or 0)
  -- (One whose day is over may have a millisecond left.)
  if name and draft and age < DRAFT_KEPT then answer[#answer + 1] = {name, draft, exact(age)} end
end
return answer

--- drop flags=allow-oom
-- KEYS: the places of a box. ARGV: not after, the draft's name.
if late() then return LATE end
for _, key in ipairs(KEYS) do
  if redis.call('HGET', key, 'name') == ARGV[2] then redis.call('UNLINK', key) end
end
return 1

--- meet flags=allow-oom
-- KEYS: the applications. ARGV: the name of one that starts. Answers with the names of the others.
local others, met = {}, redis.call('HGETALL', KEYS[1])
for at = 1, #met, 2 do
  if now - (tonumber(met[at + 1]) or 0) >= APPLICATION_KEPT then
    redis.call('HDEL', KEYS[1], met[at])
  elseif met[at] ~= ARGV[1] then
    others[#others + 1] = met[at]
  end
end
redis.call('HSET', KEYS[1], ARGV[1], exact(now))
redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', (now + APPLICATION_KEPT) * 1000))
return others

--- beat flags=allow-oom
-- ARGV: the worker's own channel.
redis.pcall('PUBLISH', ARGV[1], '')

--- turn flags=allow-oom
-- KEYS: the turn, which one worker gets. ARGV: how long it lasts, in milliseconds.
return redis.call('SET', KEYS[1], '', 'NX', 'PX', ARGV[1]) and 1 or 0

--- due flags=no-writes
-- KEYS: indexes. Answers with what is due in each.
local answer = {}
for at, index in ipairs(KEYS) do
  answer[at] = redis.call('ZRANGE', index, '-inf', exact(now), 'BYSCORE', 'LIMIT', 0, MOST_DUE)
end
return answer

--- sweep flags=allow-oom
-- KEYS: an index, sessions that are due. Looks again: one may have been renewed. Answers with 0 if
-- some have to wait, since too many ends of the hash tag are to be told.
local function look(key)
  local c = read(key)
  if not c then return redis.call('ZREM', KEYS[1], rest(key)) end
  local ends, why = due(c)
  if ends <= now then finish(key, KEYS[1], why, ends) else watch(key, KEYS[1], c, nil, true) end
end

local taken = string.sub(KEYS[1], 1, -1 - #INDEX) .. TAKEN
for at = 2, #KEYS do
  if OUTBOX and redis.call('ZCARD', taken) >= MOST_SWEPT then return answered(0) end
  -- One that was tampered with holds up no other.
  if not pcall(look, KEYS[at]) then redis.call('ZREM', KEYS[1], rest(KEYS[at])) end
end
return answered(DONE)

--- untold flags=no-writes
-- KEYS: when each end may be taken, of some hash tags. Answers with how many may be now, of each.
local answer = {}
for at, taken in ipairs(KEYS) do answer[at] = redis.call('ZCOUNT', taken, '-inf', exact(now)) end
return answer

--- take flags=allow-oom
-- KEYS: the ends that are to be told of a hash tag, when each may be taken. ARGV: how many are taken.
-- Answers with 1 if others were dropped; then what each id has behind the hash tag, and the end.
local answer = {redis.call('HDEL', KEYS[1], LOST)}
local found = redis.call('ZRANGE', KEYS[2], '-inf', exact(now), 'BYSCORE', 'LIMIT', 0, ARGV[1])
for _, name in ipairs(found) do
  local raw = redis.call('HGET', KEYS[1], name)
  if raw and #raw > 0 then
    local tries = math.min(struct.unpack('B', raw) + 1, 99)
    raw = struct.pack('B', tries) .. string.sub(raw, 2)
    redis.call('HSET', KEYS[1], name, raw)
    redis.call('ZADD', KEYS[2], exact(now + HIDDEN * 2 ^ (tries - 1)), name)
    answer[#answer + 1] = {name, raw}
  else
    redis.call('ZREM', KEYS[2], name)
  end
end
return answer

--- told flags=allow-oom
-- KEYS: the ends that are to be told of a hash tag, when each may be taken. ARGV: what the ids have
-- behind the hash tag of those that were told.
redis.call('HDEL', KEYS[1], unpack(ARGV))
redis.call('ZREM', KEYS[2], unpack(ARGV))
return DONE

--- join
-- KEYS: a user's list, those about to join. ARGV: not after, an id, another whose place it takes if
-- that has one, the session's own timeout. (An id about to join is not taken for one that is over.)
if late() then return LATE end
local own = tonumber(ARGV[4])
local gone = now + 2 * (own > 0 and own or TIMEOUT) + ABANDONED
join(KEYS[1], ARGV[2], ARGV[3] ~= '' and redis.call('ZSCORE', KEYS[1], ARGV[3]), gone)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', exact(now - JOINING))
redis.call('ZADD', KEYS[2], exact(now), ARGV[2])
redis.call('PEXPIRE', KEYS[2], string.format('%.0f', JOINING * 1000))
return DONE

--- leave flags=allow-oom
-- KEYS: a user's list. ARGV: ids that are over, or another user's.
redis.call('ZREM', KEYS[1], unpack(ARGV))
return DONE

--- forget flags=allow-oom
-- KEYS: a user's list, those about to join. ARGV: the user, ids that are not there, or another user's.
for at = 2, #ARGV do
  local id = ARGV[at]
  local is_there = redis.call('ZSCORE', KEYS[2], id)
  if ALONE then
    local key = place_of(id)
    local fine, c = pcall(alive, key)
    is_there = not fine or c and redis.call('HGET', key, USER) == ARGV[1]
  end
  if not is_there then redis.call('ZREM', KEYS[1], id) end
end
return DONE

--- span flags=no-writes
-- KEYS: a user's list. ARGV: an id. Answers with the last place, and with that of the id.
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2]
return {last or '', redis.call('ZSCORE', KEYS[1], ARGV[1]) or ''}

--- listed flags=no-writes
-- KEYS: a user's list, those about to join. ARGV: behind which place, up to which, how many. Answers
-- with each id, its place, and whether it may be about to join. (A session whose token is changing has
-- two ids in one place: they are not told apart.)
local found = redis.call('ZRANGE', KEYS[1], '(' .. ARGV[1], ARGV[2], 'BYSCORE', 'LIMIT', 0, ARGV[3], 'WITHSCORES')
if #found == 2 * tonumber(ARGV[3]) then
  local place = found[#found]
  while found[#found] == place do found[#found], found[#found - 1] = nil, nil end
  for _, one in ipairs(redis.call('ZRANGE', KEYS[1], place, place, 'BYSCORE', 'WITHSCORES')) do
    found[#found + 1] = one
  end
end
local answer = {}
for at = 1, #found, 2 do
  local joining = redis.call('ZSCORE', KEYS[2], found[at]) and 1 or 0
  answer[#answer + 1] = {found[at], found[at + 1], joining}
end
return answer

--- living flags=no-writes
-- KEYS: sessions. ARGV: a user. Answers with the time, and the clocks of each that is alive and this
-- user's, and its id: its token alone may have changed since the list was read. With 1 for one that
-- is not there, nor was.
local answer = {exact(now)}
for at, key in ipairs(KEYS) do
  local place, moved = key, redis.pcall('HGET', key, SAVES_TO)
  while type(moved) == 'string' do
    place = place_of(moved)
    moved = redis.call('HGET', place, SAVES_TO)
  end
  local c = readable(place)
  if c and due(c) > now and redis.call('HGET', place, USER) == ARGV[1] then
    answer[at + 1] = {packed(c), id_of(place)}
  else
    answer[at + 1] = 1 - redis.call('EXISTS', key)
  end
end
return answer

--- moved flags=no-writes
-- KEYS: a session. Answers with the id that it has now, if another.
return redis.call('HGET', KEYS[1], NEW_ID) or 0
