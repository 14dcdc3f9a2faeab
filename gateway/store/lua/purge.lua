-- uses: clock
-- Drops cache entries, some at a time: a script holds up everybody else. ARGV: time, model or "", generation or "", how
-- many entries were looked at and kept so far. Returns how many it dropped, and how many are kept so far or -1 at the end.

local AT_ONCE = 500
local kept = tonumber(ARGV[4])
local dropped = 0
-- From the latest end backwards, for entries come in there and expire at the other end.
local found = redis.call('ZREVRANGE', prefix .. 'cached', kept, kept + AT_ONCE - 1)
for _, fp in ipairs(found) do
  local entry = read(prefix .. 'cache:' .. fp, 'model', 'gen')
  local is_meant = (ARGV[2] == '' or entry.model == ARGV[2]) and (ARGV[3] == '' or entry.gen == ARGV[3])
  if not entry.gen or is_meant then
    redis.call('DEL', prefix .. 'cache:' .. fp)
    redis.call('ZREM', prefix .. 'cached', fp)
    dropped = dropped + (entry.gen and 1 or 0)
  else
    kept = kept + 1
  end
end
return {dropped, #found < AT_ONCE and -1 or kept}
