-- The team's prefix, the time and the calendar. KEYS[1] is any key of the team; ARGV[1] is the time in milliseconds,
-- or "" for Redis's own clock: the one that all workers share.

local prefix = string.match(KEYS[1], '^{[^}]+}:')

-- No such key exists: from a slot that a cluster is moving to another node it cannot be read, and nothing is written.
redis.call('EXISTS', prefix .. 'moving')

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local DAY_MS = 86400000

-- The UTC day (YYYYMMDD) and month (YYYYMM) of a time; Howard Hinnant's civil_from_days.
local function calendar(ms)
  local z = math.floor(ms / DAY_MS) + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524) - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local day = doy - math.floor((153 * mp + 2) / 5) + 1
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return string.format('%04d%02d%02d', year, month, day), string.format('%04d%02d', year, month)
end

local function read(key, ...)
  local held = redis.call('HMGET', key, ...)
  local named = {}
  for i, field in ipairs({...}) do
    named[field] = held[i] or nil
  end
  return named
end

local function read_all(key)
  local flat = redis.call('HGETALL', key)
  local named = {}
  for i = 1, #flat, 2 do
    named[flat[i]] = flat[i + 1]
  end
  return named
end
