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

-- What an idempotency key stands for from now on: a generation, and its results where they may outlive its record.
local idem = a.idempotency and (a.key .. ':' .. a.idempotency)
local function remember(id, results, at)
  if idem then
    local name = prefix .. 'idem:' .. idem
    redis.call('DEL', name)
    redis.call('HSET', name, 'body', a.body, 'gen', id)
    if results then
      redis.call('HSET', name, 'results', results, 'at', at)
    end
    redis.call('EXPIRE', name, config.idempotency_s)
  end
end

local function join(id, is_claim)
  remember(id)
  redis.call('HSET', gen_key(id), 'waiters', 1)
  if idem then
    redis.call('HSET', gen_key(id), 'remembered', 1)
  end
  return admitted({kind = 'join', generation = id, claimed = is_claim}, 'joins')
end

local function replay(id, results, at, is_claim)
  return admitted({
    kind = 'replay', generation = id, results = results, age_ms = now - tonumber(at), claimed = is_claim,
  }, 'joins')
end

-- Idempotency: whatever the cache policy; nothing is remembered of what failed, or is no longer known.
if idem then
  local held = read(prefix .. 'idem:' .. idem, 'body', 'gen', 'results', 'at')
  local g = held.gen and read_all(gen_key(held.gen)) or {}
  local is_delivered = g.state == 'delivered' or held.results
  if is_delivered or g.state == 'open' or g.state == 'unknown' then
    if held.body ~= a.body then
      return cjson.encode(verdict({kind = 'conflict', generation = held.gen}))
    elseif g.state == 'open' then
      return join(held.gen)
    elseif g.state == 'unknown' then
      return admitted({kind = 'unknown', generation = held.gen})
    end
    local results = g.state and results_of(g) or held.results
    if results and a.missing ~= held.gen then
      return replay(held.gen, results, g.ended or held.at)
    end
    return admitted({kind = 'gone', generation = held.gen})
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
for _, id in ipairs(redis.call('ZRANGE', claims, 0, 999)) do
  local g = read(gen_key(id), 'state', 'ended', 'left', 'epoch')
  local is_open, is_delivered = g.state == 'open', g.state == 'delivered'
  local ended_ago_ms = is_delivered and now - tonumber(g.ended) or 0
  local offered_ago_ms = is_delivered and now - tonumber(redis.call('ZSCORE', claims, id)) or 0
  if not is_open and not is_delivered or offered_ago_ms > config.unclaimed_s * 1000 or id == a.missing then
    redis.call('ZREM', claims, id)
  else
    local left = tonumber(g.left)
    local lease_end = tonumber(redis.call('ZSCORE', prefix .. 'due', id) or 0)
    local is_late = tonumber(g.epoch) > 1 or ended_ago_ms > config.late_ms or (is_open and lease_end < now)
    local is_claimable = left and (a.retry or now - left <= config.claim_ms) or (a.retry and is_late)
    local results = is_claimable and is_delivered and results_of(read_all(gen_key(id)))
    if is_claimable and (is_open or results) then
      redis.call('HDEL', gen_key(id), 'left')
      redis.call('ZREM', claims, id)
      if is_open then
        return join(id, true)
      end
      remember(id, results, g.ended)
      return replay(id, results, g.ended, true)
    end
  end
end

-- One that is being made. Who joins what its client has left takes that client's place.
if a.shared then
  local lane = prefix .. 'lane:' .. a.fp
  local chosen
  for _, id in ipairs(redis.call('ZRANGE', lane, 0, -1)) do
    local g = read(gen_key(id), 'state', 'left')
    if g.state ~= 'open' then
      redis.call('ZREM', lane, id)
    elseif g.left then
      redis.call('HDEL', gen_key(id), 'left')
      return join(id, true)
    elseif config.join == 'all' then
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
  remember(a.id)
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
