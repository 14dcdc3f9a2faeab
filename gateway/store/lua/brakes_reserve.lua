-- uses: clock, brakes
-- Reserves for a generation out of the gateway's budget. ARGV: time, generation, team, micro-dollars. Returns 1, or 0
-- where the budget does not allow it; 1 without reserving anything while there is no budget.

local id, team, amount = ARGV[2], ARGV[3], tonumber(ARGV[4])
local limit = budget()
if not limit or redis.call('HEXISTS', OPEN, id) == 1 then
  return 1
end
local _, month = calendar(now)
local used, reserved = spent(month)
if used + reserved + amount > limit then
  return 0
end
hold(id, team, month, amount, now)
return 1
