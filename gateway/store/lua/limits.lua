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

-- Requests a minute as a bucket that holds a minute's worth and is refilled evenly (GCRA, RFC-less but well known).
-- Returns the allowance after this request and the time to store, or the allowance and how long to wait.
local function rate(scope, per_minute)
  local interval = 60000 / per_minute
  local full_at = math.max(tonumber(redis.call('GET', prefix .. 'rate:' .. scope) or 0), now)
  local allowance = {limit = per_minute}
  if full_at + interval - now > 60000.0005 then
    allowance.remaining = 0
    allowance.reset_ms = math.ceil(full_at - now)
    return allowance, nil, math.ceil(full_at + interval - now - 60000)
  end
  full_at = full_at + interval
  allowance.remaining = math.floor((60000 - (full_at - now)) / interval + 0.0001)
  allowance.reset_ms = math.ceil(full_at - now)
  return allowance, full_at
end

-- What is settled and what is reserved of a scope in a window, `day:<YYYYMMDD>` or `month:<YYYYMM>`.
local function used(window, scope)
  local held = redis.call('HMGET', prefix .. window, scope .. ':used', scope .. ':reserved')
  return tonumber(held[1] or 0) + tonumber(held[2] or 0)
end
