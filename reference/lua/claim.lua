-- Give the oldest pending job to a worker, under a lease.
-- KEYS: pending list, leases, token counter, owners
-- ARGV: claim id, now in ms, lease in ms, time
-- Returns {token, fields}, or {} if nothing is pending.
-- The same claim id gets the same job again, so a claim whose reply was lost does not lose the job.
local function job(id)
  local old = 'ai:jobs:' .. id
  local workspace = redis.call('HGET', KEYS[4], id) or redis.call('HGET', old, 'workspace_id')
  local new = workspace and 'ai:job:' .. workspace .. ':' .. id
  local held = {}
  for _, key in ipairs({new or old, old}) do
    if redis.call('EXISTS', key) == 1 then
      held[#held + 1] = key
    end
  end
  return held
end
local known = redis.call('HGET', KEYS[2] .. ':claims', ARGV[1])
if known then
  return {redis.call('HGET', KEYS[2] .. ':tokens', known), redis.call('HGETALL', job(known)[1])}
end
local id = redis.call('LPOP', KEYS[1])
while id do
  local held = job(id)
  if #held > 0 and redis.call('HGET', held[1], 'status') == 'pending' then
    local token = redis.call('INCR', KEYS[3])
    for _, key in ipairs(held) do
      redis.call('HSET', key, 'status', 'running', 'started_at', ARGV[4])
    end
    redis.call('ZADD', KEYS[2], ARGV[2] + ARGV[3], id)
    redis.call('HSET', KEYS[2] .. ':tokens', id, token)
    redis.call('HSET', KEYS[2] .. ':claims', ARGV[1], id)
    return {token, redis.call('HGETALL', held[1])}
  end
  id = redis.call('LPOP', KEYS[1])
end
return {}
