-- Give the oldest waiting job to a worker under a lease; first take back what expired leases held.
-- ARGV: prefix, claim id, lease in ms, most attempts, time, how many leases to read
-- Returns {reclaimed, dead, jobs that still wait, token, attempt, fields}, without the last three if no job waits.
-- The same claim id gets the same job again, so a claim whose reply was lost does not lose the job.
local lease_ms, most, time = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local reclaimed, dead = 0, 0
for _, id in ipairs(call('ZRANGEBYSCORE', LEASES, '-inf', now_ms(), 'LIMIT', 0, ARGV[6])) do
  local held = copies(id)
  local status = status_of(held)
  if not status or RANKS[status] == 2 then
    release(id) -- it was finished without its lease
  else
    reclaimed = reclaimed + call('HDEL', TOKENS, id) -- during a back-off there is no token
    call('ZREM', LEASES, id)
    if tonumber(call('HGET', ATTEMPTS, id) or 0) >= most then
      dead = dead + 1
      release(id)
      call('RPUSH', DEAD, id)
      set(held, 'status', 'failed', 'finished_at', time)
    else
      set(held, 'status', 'pending')
      call('RPUSH', PENDING, id)
    end
  end
end
local claim = P .. 'ai:claim:' .. ARGV[2]
local token, id = string.match(call('GET', claim) or '', '^(%d+) (.*)$')
local held, workspace
if id then
  held = copies(id)
  if call('HGET', TOKENS, id) ~= token or not held[1] then return {reclaimed, dead, call('LLEN', PENDING)} end
else
  repeat
    id = call('LPOP', PENDING)
    if not id then return {reclaimed, dead, 0} end
    held, workspace = copies(id)
  until status_of(held) == 'pending'
  adopt(id, workspace)
  token = call('INCR', SEQUENCE)
  call('HSET', TOKENS, id, token)
  call('HINCRBY', ATTEMPTS, id, 1)
  call('ZADD', LEASES, now_ms() + lease_ms, id)
  call('SET', claim, token .. ' ' .. id, 'PX', math.max(1, lease_ms))
  set(held, 'status', 'running', 'started_at', time)
end
return {reclaimed, dead, call('LLEN', PENDING), tonumber(token), tonumber(call('HGET', ATTEMPTS, id)),
  call('HGETALL', held[1])}
