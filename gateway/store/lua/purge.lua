-- uses: clock
-- Drops cache entries. ARGV: time, model or "", generation or "". Returns how many.

local dropped = 0
for _, fp in ipairs(redis.call('ZRANGE', prefix .. 'cached', 0, -1)) do
  local entry = read(prefix .. 'cache:' .. fp, 'model', 'gen')
  local is_meant = (ARGV[2] == '' or entry.model == ARGV[2]) and (ARGV[3] == '' or entry.gen == ARGV[3])
  if not entry.gen or is_meant then
    redis.call('DEL', prefix .. 'cache:' .. fp)
    redis.call('ZREM', prefix .. 'cached', fp)
    dropped = dropped + (entry.gen and 1 or 0)
  end
end
return dropped
