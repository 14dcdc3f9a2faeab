-- uses: clock, limits, book, journal
-- Decides what becomes of one request, all at once: replayed, refused, denied, answered, joined, or led.
-- ARGV: time, the request (JSON), the configuration (JSON). Returns JSON.

local a = cjson.decode(ARGV[2])
local config = cjson.decode(ARGV[3])
local day, month = calendar(now)
local key_scope = 'key:' .. a.key
local claims = prefix .. 'claims:' .. a.key .. ':' .. a.fp

-- The same generation again, after a lost reply: the same verdict.
local told = redis.call('GET', prefix .. 'verdict:' .. a.id)
if told then
  return told
end

-- Key and team.
local key = read(prefix .. key_scope, 'created', 'revoked', 'expires', 'models', 'no_cache', 'cache_ttl_s')
if not key.created then
  return cjson.encode({kind = 'refused', why = 'unknown'})
end
if key.revoked and key.revoked ~= '' then
  return cjson.encode({kind = 'refused', why = 'revoked', at = tonumber(key.revoked)})
end
if key.expires and key.expires ~= '' and now >= tonumber(key.expires) * 1000 then
  return cjson.encode({kind = 'refused', why = 'expired', at = tonumber(key.expires)})
end
if key.models and key.models ~= '' and not string.find(',' .. key.models .. ',', ',' .. a.model .. ',', 1, true) then
  return cjson.encode({kind = 'refused', why = 'model', models = key.models})
end
if key.no_cache == '1' then
  a.shared = false
  a.stores = false
end
local ttl_s = tonumber(key.cache_ttl_s or '') or a.ttl_s
if ttl_s <= 0 then
  a.shared = false
  a.stores = false
end

local scopes = {{key_scope, limits_of(prefix .. key_scope)}, {'team', limits_of(prefix .. 'team')}}
local buckets = {}
local images_left

-- A verdict tells what the narrower of both scopes leaves once it has taken its share.
local function verdict(v)
  v.models = key.models
  for _, bucket in ipairs(buckets) do
    v.requests = narrower(v.requests, requests_left(bucket))
  end
  v.images = images_left
  return v
end

local function denied(limit, scope, v)
  count(day, a.key, a.model, 'denied', 1)
  redis.call('EXPIRE', prefix .. 'usage:' .. day, (config.retention_days + 1) * 86400)
  v.kind, v.limit, v.scope = 'denied', limit, scope == 'team' and 'team' or 'key'
  return cjson.encode(verdict(v))
end

-- Request rate: nothing is taken before both allow it, and who is denied by both waits for both.
local spent
for _, scoped in ipairs(scopes) do
  local scope, limits = scoped[1], scoped[2]
  if limits.images_per_day then
    local left = math.max(limits.images_per_day - used('day:' .. day, scope), 0)
    images_left = narrower(
      images_left, {limit = limits.images_per_day, remaining = left, reset_ms = DAY_MS - now % DAY_MS})
  end
  if limits.requests_per_minute then
    local bucket = bucket_of(scope, limits.requests_per_minute)
    buckets[#buckets + 1] = bucket
    if bucket.wait_ms > (spent and spent.wait_ms or 0) then
      spent = bucket
    end
  end
end
if spent then
  return denied('requests_per_minute', spent.scope, {allowed = spent.per_minute, retry_ms = spent.wait_ms})
end

-- What every verdict but a denial does, once.
local function admitted(v, ...)
  for _, bucket in ipairs(buckets) do
    fill(bucket)
  end
  for _, what in ipairs({'requests', ...}) do
    count(day, a.key, a.model, what, 1)
  end
  redis.call('EXPIRE', prefix .. 'usage:' .. day, (config.retention_days + 1) * 86400)
  redis.call('HSET', prefix .. key_scope, 'used', math.floor(now / 1000))
  local text = cjson.encode(verdict(v))
  redis.call('SET', prefix .. 'verdict:' .. a.id, text, 'EX', 60)
  return text
end

-- A request that did not lead, but may be repeated under its idempotency key. What it got must be known as long as that
-- is, or the repetition would buy again: by the generation's record, or by the results of a hit, which outlive it.
local function remember(id, results, at)
  if a.idempotency then
    local idem = prefix .. 'idem:' .. a.key .. ':' .. a.idempotency
    redis.call('HSET', idem, 'body', a.body, 'gen', id, 'results', results or '', 'at', at or '')
    redis.call('EXPIRE', idem, config.idempotency_s)
    local state = redis.call('HGET', gen_key(id), 'state')
    if state == 'open' then
      redis.call('HSET', gen_key(id), 'remembered', 1)
    elseif state then
      redis.call('EXPIRE', gen_key(id), config.idempotency_s, 'GT')
    end
  end
end

local function join(id, is_claim)
  remember(id)
  redis.call('HSET', gen_key(id), 'waiters', 1)
  return admitted({kind = 'join', generation = id, claimed = is_claim}, 'joins')
end

-- The answer that a finished generation's own record holds.
local function replay(id)
  local g = read_all(gen_key(id))
  local results = g.counts and results_of(g)
  if not results then
    return nil
  end
  remember(id)
  return admitted({kind = 'replay', generation = id, results = results, age_ms = now - tonumber(g.ended)}, 'joins')
end

-- Idempotency: whatever the cache policy; of one that is no longer known nothing is remembered.
local idem = a.idempotency and (a.key .. ':' .. a.idempotency)
if idem then
  local held = read(prefix .. 'idem:' .. idem, 'body', 'gen', 'results', 'at')
  if held.gen then
    if held.body ~= a.body then
      return cjson.encode(verdict({kind = 'conflict', generation = held.gen}))
    end
    local state = redis.call('HGET', gen_key(held.gen), 'state')
    if state == 'open' then
      return join(held.gen)
    elseif state == 'unknown' then
      return admitted({kind = 'unknown', generation = held.gen})
    elseif state == 'delivered' then
      local replayed = a.missing ~= held.gen and replay(held.gen)
      return replayed or admitted({kind = 'gone', generation = held.gen})
    elseif not state and (held.results or '') ~= '' then
      if a.missing == held.gen then
        return admitted({kind = 'gone', generation = held.gen})
      end
      return admitted({
        kind = 'replay', generation = held.gen, results = held.results, age_ms = now - tonumber(held.at),
      }, 'joins')
    end
  end
end

-- The cache.
if a.shared then
  local entry = read(prefix .. 'cache:' .. a.fp, 'gen', 'at', 'results')
  if entry.gen and entry.gen == a.missing then
    redis.call('DEL', prefix .. 'cache:' .. a.fp)
    redis.call('ZREM', prefix .. 'cached', a.fp)
  elseif entry.gen and (not a.max_age_s or now - tonumber(entry.at) <= a.max_age_s * 1000) then
    remember(entry.gen, entry.results, entry.at)
    return admitted({
      kind = 'hit', generation = entry.gen, results = entry.results, age_ms = now - tonumber(entry.at),
    }, 'hits')
  end
end

-- What this key's own client has paid for and not been given: its retry claims it.
for _, id in ipairs(redis.call('ZRANGE', claims, 0, 20)) do
  local g = read(gen_key(id), 'state', 'left', 'epoch', 'ended')
  local is_over = g.state and g.state ~= 'open'
  local left = tonumber(g.left)
  local lease_end = tonumber(redis.call('ZSCORE', prefix .. 'due', id) or 0)
  local is_late = tonumber(g.epoch or 1) > 1
    or (is_over and now - tonumber(g.ended) > config.late_ms)
    or (not is_over and lease_end < now)
  local is_claimable = left and (a.retry or now - left <= config.claim_ms) or (a.retry and is_late)
  if not g.state or g.state == 'void' or g.state == 'failed' or id == a.missing then
    redis.call('ZREM', claims, id)
  elseif is_claimable then
    redis.call('HDEL', gen_key(id), 'left')
    if not is_over then
      redis.call('ZREM', claims, id)
      return join(id, true)
    end
    if g.state == 'delivered' then
      local replayed = replay(id)
      if replayed then
        redis.call('ZREM', claims, id)
        return replayed
      end
    end
  end
end

-- One that is being made.
if a.shared then
  local lane = prefix .. 'lane:' .. a.fp
  local chosen
  for _, id in ipairs(redis.call('ZRANGE', lane, 0, -1)) do
    local g = read(gen_key(id), 'state', 'left')
    if g.state ~= 'open' then
      redis.call('ZREM', lane, id)
    elseif config.join == 'all' or g.left then
      return join(id)
    elseif a.retry then
      chosen = chosen or id
    end
  end
  if chosen then
    return join(chosen)
  end
end

-- One whose outcome nobody knows: an automatic retry must not buy it again.
local unknown = redis.call('GET', prefix .. 'unknown:' .. a.fp)
if unknown and not idem and not (a.anew and not a.retry) then
  return admitted({kind = 'unknown', generation = unknown})
end

-- Images, money, concurrency.
for _, scoped in ipairs(scopes) do
  local scope, limits = scoped[1], scoped[2]
  if limits.images_per_day then
    local taken = used('day:' .. day, scope)
    if taken + a.n > limits.images_per_day then
      return denied('images_per_day', scope, {
        allowed = limits.images_per_day, remaining = math.max(limits.images_per_day - taken, 0),
        retry_ms = DAY_MS - now % DAY_MS,
      })
    end
  end
  if limits.budget_per_month then
    if not a.estimate then
      return cjson.encode({kind = 'refused', why = 'price'})
    end
    local taken = used('month:' .. month, scope)
    if taken + a.estimate > limits.budget_per_month then
      return denied('budget_per_month', scope, {
        allowed = limits.budget_per_month, remaining = math.max(limits.budget_per_month - taken, 0),
      })
    end
  end
  if limits.max_concurrent then
    local due = scope == 'team' and 'due' or 'due:' .. a.key
    if redis.call('ZCOUNT', prefix .. due, now, '+inf') >= limits.max_concurrent then
      return denied('max_concurrent', scope, {allowed = limits.max_concurrent, retry_ms = 1000})
    end
  end
end

-- Led: reserved, leased, journalled.
local fields = {
  'key', a.key, 'model', a.model, 'fp', a.fp, 'n', a.n, 'counts', cjson.encode(a.counts), 'day', day, 'month', month,
  'at', now, 'user', a.user or '', 'plan', a.plan, 'state', 'open', 'epoch', 1, 'charge', config.charge_unknown and 1 or 0,
  'shared', a.shared and 1 or 0, 'stores', a.stores and 1 or 0, 'ttl_s', ttl_s,
}
for i = 1, #a.counts do
  fields[#fields + 1] = 'p' .. i
  fields[#fields + 1] = 'reserved'
end
if a.estimate then
  fields[#fields + 1] = 'estimate'
  fields[#fields + 1] = a.estimate
end
if idem then
  fields[#fields + 1] = 'idem'
  fields[#fields + 1] = idem
  redis.call('HSET', prefix .. 'idem:' .. idem, 'body', a.body, 'gen', a.id)
  redis.call('EXPIRE', prefix .. 'idem:' .. idem, config.idempotency_s)
end
redis.call('HSET', gen_key(a.id), unpack(fields))
lease(a.id, a.key, now + config.lease_ms)
move('day:' .. day, a.key, a.n, 0, WINDOW_KEPT_S)
move('month:' .. month, a.key, a.estimate or 0, 0, WINDOW_KEPT_S)
if a.shared then
  redis.call('ZADD', prefix .. 'lane:' .. a.fp, now, a.id)
  redis.call('EXPIRE', prefix .. 'lane:' .. a.fp, 86400)
else
  redis.call('ZADD', claims, now, a.id)
  redis.call('EXPIRE', claims, 86400)
end
if images_left then
  images_left.remaining = math.max(images_left.remaining - a.n, 0)
end
return admitted({kind = 'lead', generation = a.id, epoch = 1, shared = a.shared and true or false, ttl_s = ttl_s})
