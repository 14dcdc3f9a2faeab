-- uses: clock, book, journal
-- Writes down a part's state before or after the call that changes it, and renews the lease.
-- ARGV: time, generation, epoch, part, state, task, lease in ms, "1" to give up where nobody waits any more, and which
-- mark of this part it is: one that was delayed on its way must not undo a later one.
-- Returns ok, lost (another worker has it, or it or the part has ended) or abandoned.

local id, epoch, part, state, task, lease_ms = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])
local turn = tonumber(ARGV[9])
local g = read(gen_key(id), 'state', 'epoch', 'key', 'waiters', 'p' .. part, 'q' .. part)
-- What ended must stay so: a mark that was delayed would take a picture or a returned reservation back.
if g.state ~= 'open' or g.epoch ~= epoch or TERMINAL[g['p' .. part]] then
  return 'lost'
end
if turn < tonumber(g['q' .. part] or 0) then
  return 'lost'
end
if ARGV[8] == '1' and not g.waiters then
  return 'abandoned'
end
redis.call('HSET', gen_key(id), 'p' .. part, state, 'q' .. part, turn)
if task ~= '' then
  redis.call('HSET', gen_key(id), 't' .. part, task)
end
lease(id, g.key, now + lease_ms)
return 'ok'
