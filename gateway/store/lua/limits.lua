-- What a key and its team may do. A scope is `key:<id>` or `team`; every limit of both must pass.

local LIMITS = {'requests_per_minute', 'images_per_day', 'budget_per_month', 'max_concurrent'}

local function limits_of(key)
  local held = read(key, unpack(LIMITS))
  for name, value in pairs(held) do
    held[name] = tonumber(value)
  end
  return held
end

-- The narrower of two allowances {limit, remaining, reset_ms}.
local function narrower(a, b)
  if not a or (b and b.remaining < a.remaining) then
    return b
  end
  return a
end

-- Requests a minute as a bucket that holds a minute's worth and flows out evenly (GCRA). What it holds is a whole number,
-- which rounding cannot rob of a minute's last request: a request puts in 60000, a millisecond takes out the limit.
local REQUEST = 60000

local function bucket_of(scope, per_minute)
  local stored, at = string.match(redis.call('GET', prefix .. 'rate:' .. scope) or '', '^(%d+) (%d+)$')
  local room = REQUEST * per_minute
  local held = stored and tonumber(stored) - math.max(now - tonumber(at), 0) * per_minute or 0
  held = math.min(math.max(held, 0), room) -- a limit that was lowered is full for a minute at most
  local wait_ms = math.max(math.ceil((held + REQUEST - room) / per_minute), 0)
  return {scope = scope, per_minute = per_minute, room = room, held = held, wait_ms = wait_ms}
end

local function empty_in_ms(bucket)
  return math.ceil(bucket.held / bucket.per_minute)
end

local function fill(bucket)
  bucket.held = bucket.held + REQUEST
  redis.call('SET', prefix .. 'rate:' .. bucket.scope, string.format('%.0f %.0f', bucket.held, now), 'EX', 60)
end

local function requests_left(bucket)
  local remaining = math.floor((bucket.room - bucket.held) / REQUEST)
  return {limit = bucket.per_minute, remaining = remaining, reset_ms = empty_in_ms(bucket)}
end

-- What is settled and what is reserved of a scope in a window, `day:<YYYYMMDD>` or `month:<YYYYMM>`.
local function used(window, scope)
  local held = redis.call('HMGET', prefix .. window, scope .. ':used', scope .. ':reserved')
  return tonumber(held[1] or 0) + tonumber(held[2] or 0)
end
