-- uses: clock, book, journal
-- A client is gone ("left"), has been given its pictures ("answered"), or has reset the connection on which it was given
-- them ("reset"): a request that says that it is a retry may claim them, and no other.
-- ARGV: time, generation, which, seconds to keep, for how many ms others may claim what is left.

local id = ARGV[2]
local g = read(gen_key(id), 'key', 'fp', 'state', 'shared')
if ARGV[3] == 'answered' and g.state then
  redis.call('ZREM', claims_of(g), id)
  if g.state == 'open' then -- its booking is late, and must not offer what the client has
    redis.call('HSET', gen_key(id), 'answered', 1)
  end
elseif g.state then
  redis.call('HSET', gen_key(id), 'left', ARGV[3] == 'reset' and now - tonumber(ARGV[5]) - 1 or now)
  redis.call('HDEL', gen_key(id), 'answered')
  if g.state == 'delivered' or (g.state == 'open' and g.shared ~= '1') then
    offer(id, g, tonumber(ARGV[4]))
  end
end
return 1
