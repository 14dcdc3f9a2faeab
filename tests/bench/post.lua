-- Posts image requests. Each prompt is new, so that no reply can come from a cache; the last line is JSON.
-- Arguments: the start of the body, the end of the body, the bearer key.
local before, after, count

function init(args)
  before, after = args[1], args[2]
  math.randomseed(os.time() + tonumber(tostring({}):match("0x(%x+)"), 16) % 2 ^ 31)
  before = before .. string.format("%012d-", math.random(0, 10 ^ 12))
  count = 0
  wrk.method = "POST"
  wrk.headers["content-type"] = "application/json"
  wrk.headers["authorization"] = "Bearer " .. args[3]
end

function request()
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
