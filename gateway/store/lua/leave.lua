-- uses: clock, book, journal
-- A client is gone ("left"), or has been given its pictures ("answered"). ARGV: time, generation, which, seconds to keep.

local id = ARGV[2]
local g = read(gen_key(id), 'key', 'fp', 'state', 'shared')
if g.state then
  local claims = prefix .. 'claims:' .. g.key .. ':' .. g.fp
  if ARGV[3] == 'answered' then
    redis.call('ZREM', claims, id)
  else
    redis.call('HSET', gen_key(id), 'left', now)
    if g.shared ~= '1' or g.state == 'delivered' then
      redis.call('ZADD', claims, now, id)
      redis.call('EXPIRE', claims, ARGV[4])
    end
  end
end
return 1
