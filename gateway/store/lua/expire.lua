-- uses: clock, book, journal
-- Looks after generations whose lease has run out: what was never sent is returned, what was sent and not answered is
-- unknown, and what has a task goes to the caller, in a new epoch. ARGV: time, lease in ms, "1" to take over,
-- configuration (JSON). Returns JSON: those taken over, each with its record, and how the others ended; of both, how many
-- parts became unknown by that.

local lease_ms, takes_over, config = tonumber(ARGV[2]), ARGV[3] == '1', cjson.decode(ARGV[4])
local MOST_EPOCHS = 50
local taken, ended = {}, {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'due', '-inf', now, 'LIMIT', 0, 20)) do
  local g = read_all(gen_key(id))
  if g.state ~= 'open' then
    redis.call('ZREM', prefix .. 'due', id)
    if g.key then
      redis.call('ZREM', prefix .. 'due:' .. g.key, id)
    end
  else
    local epoch = tonumber(g.epoch) + 1
    local has_task = false
    local changed, unknown_parts = {}, 0
    for i = 1, #parts_of(g) do
      local state = g['p' .. i]
      if state == 'submitted' and epoch <= MOST_EPOCHS then
        has_task = true
      elseif not TERMINAL[state] then
        g['p' .. i] = state == 'reserved' and 'dropped' or 'unknown'
        unknown_parts = unknown_parts + (state == 'reserved' and 0 or 1)
        changed[#changed + 1] = 'p' .. i
        changed[#changed + 1] = g['p' .. i]
      end
    end
    if not has_task or takes_over then
      if #changed > 0 then
        redis.call('HSET', gen_key(id), unpack(changed))
      end
      redis.call('HSET', gen_key(id), 'epoch', epoch)
      g.epoch = tostring(epoch)
      if has_task then
        lease(id, g.key, now + lease_ms)
        g.id = id
        g.now = tostring(now)
        g.unknown_parts = unknown_parts
        taken[#taken + 1] = g
      else
        local outcome = finish(id, g, config)
        ended[#ended + 1] = {
          id = id, model = g.model, state = outcome.state, unknown_parts = unknown_parts, booked = outcome.booked,
        }
      end
    end
  end
end
return cjson.encode({taken = #taken > 0 and taken or nil, ended = #ended > 0 and ended or nil})
