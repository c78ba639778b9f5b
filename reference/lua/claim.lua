-- Give the oldest waiting job to a worker under a lease; first take back what expired leases held.
-- KEYS: owners, pending list, leases, tokens, attempts, dead letters, token counter
-- ARGV: prefix, claim id, lease in ms, most attempts, time, how many leases to look at
-- Returns {reclaimed, dead, token, attempt, fields}, the last three missing if nothing waits.
-- The same claim id gets the same job again, so a claim whose reply was lost does not lose the job.
local reclaimed, dead = 0, 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now_ms(), 'LIMIT', 0, ARGV[6])) do
  redis.call('ZREM', KEYS[3], id)
  redis.call('HDEL', KEYS[4], id)
  reclaimed = reclaimed + 1
  if tonumber(redis.call('HGET', KEYS[5], id) or 0) >= tonumber(ARGV[4]) then
    dead = dead + 1
    redis.call('HDEL', KEYS[5], id)
    redis.call('RPUSH', KEYS[6], id)
    set(id, 'status', 'failed', 'finished_at', ARGV[5])
  else
    set(id, 'status', 'pending')
    redis.call('RPUSH', KEYS[2], id)
  end
end
local claim = P .. 'ai:claim:' .. ARGV[2]
local token, id = string.match(redis.call('GET', claim) or '', '^(%d+) (.*)$')
if id and redis.call('HGET', KEYS[4], id) ~= token then return {reclaimed, dead} end
if not id then
  repeat
    id = redis.call('LPOP', KEYS[2])
    if not id then return {reclaimed, dead} end
    local held = copies(id)[1]
  until held and redis.call('HGET', held, 'status') == 'pending'
  token = redis.call('INCR', KEYS[7])
  redis.call('HSET', KEYS[4], id, token)
  redis.call('HINCRBY', KEYS[5], id, 1)
  redis.call('ZADD', KEYS[3], now_ms() + ARGV[3], id)
  redis.call('SET', claim, token .. ' ' .. id, 'PX', math.max(1, tonumber(ARGV[3])))
  set(id, 'status', 'running', 'started_at', ARGV[5])
end
local fields = redis.call('HGETALL', copies(id)[1])
return {reclaimed, dead, tonumber(token), tonumber(redis.call('HGET', KEYS[5], id)), fields}
