-- uses: clock, book, journal
-- Settles a generation of unknown outcome against upstream's bill. ARGV: time, generation, what upstream charged in
-- micro-dollars ("" for the estimate), who says so, a note, configuration (JSON). Returns JSON: the state before, what the
-- unknown parts were booked at and are now, what all of it costs, and the month that this belongs to.

local id, charged, config = ARGV[2], tonumber(ARGV[3]), cjson.decode(ARGV[6])
local g = read_all(gen_key(id))
if not g.state then
  return cjson.encode({state = 'absent'})
end
local unknown, estimate = 0, 0
for i, asked in ipairs(parts_of(g)) do
  if g['p' .. i] == 'unknown' then
    unknown = unknown + asked
    estimate = estimate + share(g, asked) -- part by part, as it was booked: shares are rounded
  end
end
if g.state == 'open' or unknown == 0 or g.resolved then
  return cjson.encode({state = g.resolved and 'resolved' or g.state, cost = tonumber(g.cost or 0)})
end
charged = charged or estimate
local was = g.charge == '1' and estimate or 0
local images_now = charged > 0 and unknown or 0
local images_was = g.charge == '1' and unknown or 0
move('day:' .. g.day, g.key, 0, images_now - images_was, WINDOW_KEPT_S)
move('month:' .. g.month, g.key, 0, charged - was, WINDOW_KEPT_S)
book(id, g, {cost = charged - was, unknown = charged > 0 and 0 or -unknown}, config, {resolved_by = ARGV[4], note = ARGV[5]})
redis.call('HSET', gen_key(id), 'resolved', now, 'cost', tonumber(g.cost) + charged - was)
redis.call('ZREM', prefix .. 'unresolved', id)
if redis.call('GET', prefix .. 'unknown:' .. g.fp) == id then
  redis.call('DEL', prefix .. 'unknown:' .. g.fp)
end
-- What upstream never charged may be bought under the same idempotency key after all.
local idem = g.idem and prefix .. 'idem:' .. g.idem
if idem and charged == 0 and redis.call('HGET', idem, 'gen') == id then
  redis.call('DEL', idem)
end
return cjson.encode({
  state = 'unknown', was = was, charged = charged, cost = tonumber(g.cost) + charged - was, month = g.month,
})
