-- uses: clock
-- A day's counters, and what was added to the stream after an entry, as both stand in the same moment.
-- ARGV: time, day, the entry's id. Returns the hash and the entries.

return {
  redis.call('HGETALL', prefix .. 'usage:' .. ARGV[2]),
  redis.call('XRANGE', prefix .. 'usage', '(' .. ARGV[3], '+'),
}
