-- Posts image requests; the last line of the output is JSON.
-- Arguments: the start of the body, the end of the body, the bearer key; "new" for prompts that are all new, so that no
-- reply can come from a cache, or "same" for one and the same request; cache-control, if it is not empty.
local before, after, count, only

function init(args)
  before, after = args[1], args[2]
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  wrk.headers["authorization"] = "Bearer " .. args[3]
  if args[5] and args[5] ~= "" then
    wrk.headers["cache-control"] = args[5]
  end
  if args[4] == "same" then
    only = wrk.format(nil, nil, nil, before .. "000000000" .. after)
    return
  end
  math.randomseed(os.time() + tonumber(tostring({}):match("0x(%x+)"), 16) % 2 ^ 31)
  before = before .. string.format("%012d-", math.random(0, 10 ^ 12))
  count = 0
end

function request()
  if only then
    return only
  end
  count = count + 1
  return wrk.format(nil, nil, nil, before .. string.format("%09d", count) .. after)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50_ms": %.4f, "p99_ms": %.4f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
