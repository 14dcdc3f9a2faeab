-- uses: clock, brakes
-- Books what a generation has cost in all, in place of its reservation or of what it was settled at before.
-- ARGV: time, generation, micro-dollars, and "" or the month and the micro-dollars that it was booked at before.

local id, cost = ARGV[2], tonumber(ARGV[3])
local entry = redis.call('HGET', OPEN, id)
local known = redis.call('GET', prefix .. 'brakes:settled:' .. id)
local month, was
if known then
  month, was = string.match(known, '^(%d+)|(%d+)$')
elseif entry then
  month, was = read_entry(entry).month, 0
elseif not budget() then
  return 0
elseif ARGV[4] ~= '' then
  month, was = ARGV[4], ARGV[5]
else
  -- It began before its worker knew of the budget: its id tells when.
  local made_ms = tonumber(string.sub(id, 5, 15), 16)
  local _, made_month = calendar(made_ms or now)
  month, was = made_month, 0
end
if entry then
  redis.call('HDEL', OPEN, id)
  local held = read_entry(entry)
  add(held.month, 'reserved', -held.amount)
end
add(month, 'used', cost - tonumber(was))
redis.call('SET', prefix .. 'brakes:settled:' .. id, string.format('%s|%.0f', month, cost), 'EX', SETTLED_KEPT_S)
return 1
