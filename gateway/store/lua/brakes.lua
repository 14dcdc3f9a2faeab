-- The gateway-wide budget: `brakes:month:<YYYYMM>` holds what is used and reserved, `brakes:open` who reserved it
-- (generation -> team|month|micro-dollars|unix ms), `brakes:settled:<id>` what a generation was settled at lately.

local OPEN = prefix .. 'brakes:open'
local MONTH_KEPT_S = 100 * 86400
local SETTLED_KEPT_S = 3600

local function month_key(month)
  return prefix .. 'brakes:month:' .. month
end

local function budget()
  return tonumber(redis.call('HGET', prefix .. 'brakes', 'budget_per_month') or '')
end

local function add(month, what, by)
  redis.call('HINCRBY', month_key(month), what, by)
  redis.call('EXPIRE', month_key(month), MONTH_KEPT_S)
end

local function hold(id, team, month, amount, at)
  redis.call('HSET', OPEN, id, string.format('%s|%s|%.0f|%.0f', team, month, amount, at))
  add(month, 'reserved', amount)
end

local function read_entry(entry)
  local team, month, amount, at = string.match(entry, '^(.-)|(%d+)|(%d+)|(%d+)$')
  return {team = team, month = month, amount = tonumber(amount), at = tonumber(at)}
end

local function spent(month)
  local held = redis.call('HMGET', month_key(month), 'used', 'reserved')
  return tonumber(held[1] or 0), tonumber(held[2] or 0)
end
