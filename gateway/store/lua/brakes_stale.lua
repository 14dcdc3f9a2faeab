-- uses: clock, brakes
-- Gives reservations older than an age, some at a time. ARGV: time, age in ms, cursor (first and last time 0).
-- Returns the next cursor, and generation and team by turns.

local found = redis.call('HSCAN', OPEN, ARGV[3], 'COUNT', 200)
local stale = {}
for i = 1, #found[2], 2 do
  local held = read_entry(found[2][i + 1])
  if held.at <= now - tonumber(ARGV[2]) then
    stale[#stale + 1] = found[2][i]
    stale[#stale + 1] = held.team
  end
end
return {found[1], stale}
