-- uses: clock, book, journal
-- Takes in what became of some parts, and ends the generation once all of them have ended. Repeating it changes nothing.
-- What this call moved in the books, if it did, is `booked` in its reply, and in that of its repetition.
-- A picture is taken from any epoch, once, for a part whose outcome is not settled or unknown: at the price of the
-- reservation where that was charged already. All else is taken only from whoever holds the lease.
-- ARGV: time, generation, epoch, parts (JSON: part, state, images, cost, spare, result), error (JSON or ""), configuration (JSON).

local id, epoch, parts, failure = ARGV[2], ARGV[3], cjson.decode(ARGV[4]), ARGV[5]
local config = cjson.decode(ARGV[6])
local by = parts[1] and epoch .. ':' .. parts[1].part
local g = read_all(gen_key(id))
if not g.state then
  return cjson.encode({state = 'void', images = 0, cost = 0, ended = true})
end

local function take(part)
  local i = part.part
  local fields = {'p' .. i, part.state, 'm' .. i, part.images, 'c' .. i, part.cost, 's' .. i, part.spare, 'r' .. i, part.result}
  redis.call('HSET', gen_key(id), unpack(fields))
  for f = 1, #fields, 2 do
    g[fields[f]] = tostring(fields[f + 1])
  end
end

if g.state ~= 'open' then
  -- Too late, but with a picture in hand: what was unknown becomes known.
  local images, unknown, cost, spare = 0, 0, 0, 0
  for _, part in ipairs(parts) do
    local asked = parts_of(g)[part.part]
    if part.state == 'delivered' and g['p' .. part.part] == 'unknown' and not g.resolved then
      images = images + part.images
      unknown = unknown + asked
      spare = spare + part.spare
      if g.charge == '1' then
        part.cost = share(g, asked)
      else
        cost = cost + part.cost
      end
      take(part)
    end
  end
  if images > 0 then
    local was_charged = g.charge == '1' and unknown or 0
    move('day:' .. g.day, g.key, 0, images - was_charged, WINDOW_KEPT_S)
    move('month:' .. g.month, g.key, 0, cost, WINDOW_KEPT_S)
    book(id, g, {images = images, unknown = -unknown, cost = cost, spare = spare}, config, {late = 1})
    g.state = 'delivered'
    local all = tonumber(g.images) + images
    redis.call('HSET', gen_key(id), 'state', g.state, 'images', all, 'cost', tonumber(g.cost) + cost)
    publish(id, g, all, config)
    local booked = {images = images, cost = cost, unknown = -unknown}
    remember(id, by, booked)
    return cjson.encode({state = g.state, images = all, cost = tonumber(g.cost) + cost, ended = true, booked = booked})
  end
  local booked = g.ended_by and g.ended_by == by and cjson.decode(g.booked) or nil
  return cjson.encode({
    state = g.state, images = tonumber(g.images), cost = tonumber(g.cost), ended = true, booked = booked,
  })
end

for _, part in ipairs(parts) do
  local is_ours = g.epoch == epoch and not TERMINAL[g['p' .. part.part]]
  if is_ours or (part.state == 'delivered' and g['p' .. part.part] ~= 'delivered') then
    take(part)
  end
end
if failure ~= '' and g.epoch == epoch then
  redis.call('HSET', gen_key(id), 'error', failure)
end
if all_ended(g) then
  return cjson.encode(finish(id, g, config, by))
end
return cjson.encode({state = 'open', images = 0, cost = 0, ended = false})
