-- What the holder of a lease may do: heartbeat, complete, fail. Only the job's last token counts (a fencing token).
-- KEYS: owners, leases, tokens, attempts, dead letters
-- ARGV: prefix, 'heartbeat' | 'complete' | 'fail', job_id, token, time, lease or back-off in ms, most attempts, result
-- Returns 1 if it was done (now or by an earlier run of the same step), 2 if the job is a dead letter now, 0 if the
-- lease is somebody else's or has ended.
local step, id = ARGV[2], ARGV[3]
local done = P .. 'ai:done:' .. id .. ':' .. ARGV[4] .. ':' .. step
if redis.call('GET', done) then return tonumber(redis.call('GET', done)) end
if redis.call('HGET', KEYS[3], id) ~= ARGV[4] or not redis.call('ZSCORE', KEYS[2], id) then return 0 end
if step == 'heartbeat' then
  redis.call('ZADD', KEYS[2], 'XX', now_ms() + ARGV[6], id)
  return 1
end
local answer = 1
redis.call('HDEL', KEYS[3], id)
if step == 'complete' then
  redis.call('ZREM', KEYS[2], id)
  redis.call('HDEL', KEYS[4], id)
  set(id, 'status', 'completed', 'finished_at', ARGV[5], 'result', ARGV[8])
elseif tonumber(redis.call('HGET', KEYS[4], id) or 0) >= tonumber(ARGV[7]) then
  answer = 2
  redis.call('ZREM', KEYS[2], id)
  redis.call('HDEL', KEYS[4], id)
  redis.call('RPUSH', KEYS[5], id)
  set(id, 'status', 'failed', 'finished_at', ARGV[5], 'result', ARGV[8])
else
  -- The lease without a holder ends when the back-off does, and is taken back as any expired one.
  redis.call('ZADD', KEYS[2], now_ms() + ARGV[6], id)
end
redis.call('SET', done, answer, 'EX', 3600)
return answer
