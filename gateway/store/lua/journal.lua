-- One generation's record, `gen:<id>`:
--   key model fp n counts estimate charge day month at user    what was admitted; `counts` are images per part
--   plan                                       what another worker needs to collect and deliver; opaque here
--   state      open | delivered | failed | unknown | void (nothing was ever sent: whoever waited may lead)
--   epoch      raised by each take-over; `lease` is the score in `due` and `due:<key>`
--   p<i> t<i>  part i: reserved | sent | submitted | delivered | failed | unknown | dropped; its task
--   q<i>       which mark of part i was the last
--   m<i> c<i> s<i> r<i>                        images delivered, cost, cost in vain, result (opaque; "" where it cannot be replayed)
--   shared stores ttl_s idem                   how it may be replayed
--   waiters left error                         somebody else waits; since when its client is gone; why it failed
--   answered remembered                        its client was answered before it ended; an idempotency key has joined
--   ended_by booked                            which settle moved the books last, as `<epoch>:<its first part>`, and what it
--                                              moved (JSON): its reply may be lost, and its repetition is told the same

local WINDOW_KEPT_S = 100 * 86400

local function gen_key(id)
  return prefix .. 'gen:' .. id
end

local function parts_of(g)
  return cjson.decode(g.counts)
end

local function lease(id, key, until_ms)
  redis.call('ZADD', prefix .. 'due', until_ms, id)
  redis.call('ZADD', prefix .. 'due:' .. key, until_ms, id)
end

-- A part's share of the reservation.
local function share(g, images)
  return g.estimate and math.floor(tonumber(g.estimate) * images / tonumber(g.n) + 0.5) or 0
end

local TERMINAL = {delivered = true, failed = true, unknown = true, dropped = true}

local function all_ended(g)
  for i = 1, #parts_of(g) do
    if not TERMINAL[g['p' .. i]] then
      return false
    end
  end
  return true
end

-- The parts' results as one JSON array; nil where one is missing or could not be kept.
local function results_of(g)
  local held = {}
  for i = 1, #parts_of(g) do
    local result = g['r' .. i]
    if g['p' .. i] == 'delivered' then
      if not result or result == '' then
        return nil
      end
      held[#held + 1] = result
    end
  end
  return #held > 0 and '[' .. table.concat(held, ',') .. ']' or nil
end

local function claims_of(g)
  return prefix .. 'claims:' .. g.key .. ':' .. g.fp
end

-- Lets a retry claim a generation for so long; others that stand beside it may have longer.
local function offer(id, g, for_s)
  local claims = claims_of(g)
  redis.call('ZADD', claims, now, id)
  if redis.call('TTL', claims) < for_s then
    redis.call('EXPIRE', claims, for_s)
  end
end

-- Whatever follows from a record's state: index, tombstone, claims, idempotency, how long it is kept, who is woken.
local function publish(id, g, images, config)
  local gen = gen_key(id)
  local results = results_of(g)
  local is_whole = images == tonumber(g.n)
  local keep_s = config.outcome_s
  redis.call('ZREM', prefix .. 'lane:' .. g.fp, id)
  if g.state == 'delivered' and results then
    local is_cached = g.stores == '1' and is_whole and tonumber(g.ttl_s) > 0
    if is_cached then
      local entry = prefix .. 'cache:' .. g.fp
      redis.call('HSET', entry, 'gen', id, 'at', now, 'model', g.model, 'results', results)
      redis.call('EXPIRE', entry, g.ttl_s)
      redis.call('ZADD', prefix .. 'cached', now + tonumber(g.ttl_s) * 1000, g.fp)
      redis.call('ZREMRANGEBYSCORE', prefix .. 'cached', '-inf', now)
    end
    if not g.answered and (not is_cached or g.shared ~= '1') then
      offer(id, g, config.unclaimed_s)
      keep_s = math.max(keep_s, config.unclaimed_s)
    end
  else
    redis.call('ZREM', claims_of(g), id)
  end
  local unresolved = prefix .. 'unresolved'
  redis.call('ZREM', unresolved, id)
  for i = 1, #parts_of(g) do
    if g['p' .. i] == 'unknown' then
      keep_s = config.dispute_s
      redis.call('ZADD', unresolved, now, id)
      redis.call('ZREMRANGEBYSCORE', unresolved, '-inf', now - config.dispute_s * 1000)
      redis.call('EXPIRE', unresolved, config.dispute_s)
    end
  end
  if g.state == 'unknown' then
    redis.call('SET', prefix .. 'unknown:' .. g.fp, id, 'EX', config.tombstone_s)
  elseif redis.call('GET', prefix .. 'unknown:' .. g.fp) == id then
    redis.call('DEL', prefix .. 'unknown:' .. g.fp)
  end
  local is_remembered = g.state == 'delivered' or g.state == 'unknown'
  if is_remembered and (g.idem or g.remembered) then
    keep_s = math.max(keep_s, config.idempotency_s)
  end
  if g.idem and is_remembered then
    redis.call('EXPIRE', prefix .. 'idem:' .. g.idem, config.idempotency_s)
  elseif g.idem then
    redis.call('DEL', prefix .. 'idem:' .. g.idem)
  end
  if g.waiters then -- who waits elsewhere may be away from Redis for a while, and must not buy it again
    keep_s = math.max(keep_s, config.unclaimed_s)
    redis.call('PUBLISH', 'gateway:ended', prefix .. id)
  end
  redis.call('EXPIRE', gen, keep_s)
end

local function remember(id, by, booked)
  if by then
    redis.call('HSET', gen_key(id), 'ended_by', by, 'booked', cjson.encode(booked))
  end
end

-- Ends a generation all of whose parts have ended: settles it into the windows of its reservation, once. `by` names the
-- settle that ends it, if one does.
local function finish(id, g, config, by)
  local images, unknown, cost, spare, was_sent = 0, 0, 0, 0, false
  for i, asked in ipairs(parts_of(g)) do
    local state = g['p' .. i]
    was_sent = was_sent or state ~= 'dropped'
    spare = spare + tonumber(g['s' .. i] or 0) -- of failed parts as well: some were made and could not be had
    if state == 'delivered' then
      images = images + tonumber(g['m' .. i])
      cost = cost + tonumber(g['c' .. i])
    elseif state == 'unknown' then
      unknown = unknown + asked
      cost = cost + (g.charge == '1' and share(g, asked) or 0)
    end
  end
  g.state = images > 0 and 'delivered' or unknown > 0 and 'unknown' or was_sent and 'failed' or 'void'
  redis.call('HSET', gen_key(id), 'state', g.state, 'ended', now, 'images', images, 'cost', cost)
  redis.call('ZREM', prefix .. 'due', id)
  redis.call('ZREM', prefix .. 'due:' .. g.key, id)
  local charged_images = images + (g.charge == '1' and unknown or 0)
  move('day:' .. g.day, g.key, -tonumber(g.n), charged_images, WINDOW_KEPT_S)
  move('month:' .. g.month, g.key, -tonumber(g.estimate or 0), cost, WINDOW_KEPT_S)
  local failures = g.state == 'failed' and 1 or 0
  local booked
  if g.state ~= 'void' then
    book(id, g, {
      generations = 1, images = images, unknown = unknown, failures = failures, cost = cost, spare = spare,
    }, config)
    booked = {images = images, cost = cost, unknown = unknown}
    remember(id, by, booked)
  end
  if by and tonumber(g.epoch) > 1 and g.state == 'delivered' then -- a sweep ends what nobody else has delivered
    count(g.day, g.key, g.model, 'recovered', 1)
  end
  publish(id, g, images, config)
  return {state = g.state, images = images, cost = cost, ended = true, booked = booked}
end
