-- Booking: windows that limits look at, counters that reports are made of, and the stream that both can be proved by.
-- Fields of `usage:<day>` are `<key>|<model>|<what>`; amounts are micro-dollars.

local function count(day, key, model, what, by)
  if by ~= 0 then
    redis.call('HINCRBY', prefix .. 'usage:' .. day, key .. '|' .. model .. '|' .. what, by)
  end
end

-- Moves a window: `reserved` and `used` are what to add to either, for the key and for its team.
local function move(window, key, reserved, used, keep_s)
  local name = prefix .. window
  for _, scope in ipairs({'key:' .. key, 'team'}) do
    if reserved ~= 0 then
      redis.call('HINCRBY', name, scope .. ':reserved', reserved)
    end
    if used ~= 0 then
      redis.call('HINCRBY', name, scope .. ':used', used)
    end
  end
  redis.call('EXPIRE', name, keep_s)
end

local SETTLED = {'generations', 'images', 'unknown', 'failures', 'cost', 'spare'}

-- The entry's time is the script's, which trims by it as well; a clock that was set back must not lose a settlement.
local function next_id()
  local last = redis.call('XREVRANGE', prefix .. 'usage', '+', '-', 'COUNT', 1)[1]
  local last_ms = last and tonumber(string.match(last[1], '^%d+')) or 0
  return string.format('%.0f-*', math.max(now, last_ms))
end

-- Appends one entry and moves the counters by the same numbers.
local function book(id, g, moved, config, more)
  local entry = {'id', id, 'key', g.key, 'model', g.model, 'day', g.day, 'at', g.at, 'user', g.user or ''}
  for _, what in ipairs(SETTLED) do
    local by = moved[what] or 0
    count(g.day, g.key, g.model, what, by)
    entry[#entry + 1] = what
    entry[#entry + 1] = by
  end
  for name, value in pairs(more or {}) do
    entry[#entry + 1] = name
    entry[#entry + 1] = value
  end
  local kept_from = (math.floor(now / DAY_MS) - config.retention_days) * DAY_MS
  redis.call('XADD', prefix .. 'usage', 'MINID', '~', string.format('%.0f', kept_from), next_id(), unpack(entry))
  redis.call('EXPIRE', prefix .. 'usage:' .. g.day, (config.retention_days + 1) * 86400)
end
