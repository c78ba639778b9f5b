-- Finish a job that the caller holds.
-- KEYS: old job, new job, leases
-- ARGV: job_id, token, result, time
-- Returns 1 if the job is completed under this token (again or now), 0 if the token is not the job's last.
if redis.call('HGET', KEYS[3] .. ':tokens', ARGV[1]) ~= ARGV[2] then
  return 0
end
if redis.call('HGET', KEYS[1], 'status') == 'completed' then
  return 1
end
for _, key in ipairs({KEYS[1], KEYS[2]}) do
  if redis.call('EXISTS', key) == 1 then
    redis.call('HSET', key, 'status', 'completed', 'finished_at', ARGV[4], 'result', ARGV[3])
  end
end
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
