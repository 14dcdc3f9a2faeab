-- uses: clock, book, journal
-- Books a generation that was made while Redis was away, once. ARGV: time, the admission (JSON), when it was made (ms),
-- its parts (JSON), configuration (JSON). Returns JSON: how it stands, or nothing where it was booked before.

local a, at, parts, config = cjson.decode(ARGV[2]), tonumber(ARGV[3]), cjson.decode(ARGV[4]), cjson.decode(ARGV[5])
if not redis.call('SET', prefix .. 'spooled:' .. a.id, 1, 'NX', 'EX', config.dispute_s) then
  return '{}'
end
local day, month = calendar(at)
-- Where only the reply to its admission was lost, it has reserved already: that is what is settled.
local held = read(gen_key(a.id), 'state', 'day', 'month')
if held.state == 'open' then
  day, month = held.day, held.month
end
local g = {
  key = a.key, model = a.model, fp = a.fp, n = tostring(a.n), counts = cjson.encode(a.counts), day = day, month = month,
  at = tostring(at), user = a.user or '', plan = a.plan, epoch = '1', charge = config.charge_unknown and '1' or '0',
  shared = '0', stores = '0', ttl_s = '0', estimate = a.estimate and tostring(a.estimate) or nil,
}
for _, part in ipairs(parts) do
  local i = part.part
  g['p' .. i], g['m' .. i], g['c' .. i], g['s' .. i], g['r' .. i] =
    part.state, tostring(part.images), tostring(part.cost), tostring(part.spare), part.result
end
local fields = {}
for name, value in pairs(g) do
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
redis.call('HSET', gen_key(a.id), unpack(fields))
if not held.state then
  count(day, a.key, a.model, 'requests', 1)
end
if held.state ~= 'open' then
  move('day:' .. day, a.key, a.n, 0, WINDOW_KEPT_S)
  move('month:' .. month, a.key, a.estimate or 0, 0, WINDOW_KEPT_S)
end
return cjson.encode(finish(a.id, g, config))
