-- uses: clock, book, journal
-- Renews leases, or with a lease of 0 ms hands them over at once. ARGV: time, lease in ms, then generation and epoch,
-- again and again. Returns the generations that are not ours any more.

local lost = {}
for i = 3, #ARGV, 2 do
  local g = read(gen_key(ARGV[i]), 'state', 'epoch', 'key')
  if g.state == 'open' and g.epoch == ARGV[i + 1] then
    lease(ARGV[i], g.key, now + tonumber(ARGV[2]))
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
