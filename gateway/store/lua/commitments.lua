-- uses: clock, book, journal
-- What a team has used this month, and what it has under way, in the same moment. ARGV: time.
-- Returns what is used, then generation, month and estimate by turns.

local _, month = calendar(now)
local told = {redis.call('HGET', prefix .. 'month:' .. month, 'team:used') or '0'}
for _, id in ipairs(redis.call('ZRANGE', prefix .. 'due', 0, -1)) do
  local g = read(gen_key(id), 'state', 'month', 'estimate')
  if g.state == 'open' then
    told[#told + 1] = id
    told[#told + 1] = g.month
    told[#told + 1] = g.estimate or '0'
  end
end
return told
