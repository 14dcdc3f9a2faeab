-- uses: clock, book, journal
-- What the windows hold as reserved, against what generations under way have reserved. ARGV: time.
-- Returns JSON: each difference as window, scope, what the window holds, what it should.

local proved = {}
local function add(window, scope, by)
  proved[window] = proved[window] or {}
  proved[window][scope] = (proved[window][scope] or 0) + by
end
for _, id in ipairs(redis.call('ZRANGE', prefix .. 'due', 0, -1)) do
  local g = read(gen_key(id), 'state', 'key', 'n', 'estimate', 'day', 'month')
  if g.state == 'open' then
    for _, scope in ipairs({'key:' .. g.key, 'team'}) do
      add('day:' .. g.day, scope, tonumber(g.n))
      add('month:' .. g.month, scope, tonumber(g.estimate or 0))
    end
  end
end

for back = 0, WINDOW_KEPT_S * 1000, DAY_MS do
  local day, month = calendar(now - back)
  proved['day:' .. day] = proved['day:' .. day] or {}
  proved['month:' .. month] = proved['month:' .. month] or {}
end

local differences = {}
for window, scopes in pairs(proved) do
  for field, value in pairs(read_all(prefix .. window)) do
    local scope = string.match(field, '^(.*):reserved$')
    if scope then
      scopes[scope] = scopes[scope] or 0
      if tonumber(value) ~= scopes[scope] then
        differences[#differences + 1] = {window, scope, tonumber(value), scopes[scope]}
      end
      scopes[scope] = nil
    end
  end
  for scope, amount in pairs(scopes) do
    if amount ~= 0 then
      differences[#differences + 1] = {window, scope, 0, amount}
    end
  end
end
return #differences > 0 and cjson.encode(differences) or '[]'
