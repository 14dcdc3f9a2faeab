-- uses: clock, brakes
-- Sets the budget. Where there was none, this month starts from what teams have used and reserved.
-- ARGV: time, micro-dollars, used (micro-dollars), then id, team, month and estimate of each generation under way.

local had = budget()
redis.call('HSET', prefix .. 'brakes', 'budget_per_month', ARGV[2])
if had then
  return 0
end
local _, month = calendar(now)
redis.call('DEL', OPEN, month_key(month))
add(month, 'used', ARGV[3])
for i = 4, #ARGV, 4 do
  hold(ARGV[i], ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]), now)
end
return 1
