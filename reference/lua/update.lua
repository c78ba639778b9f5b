-- Move a job to a status, in every schema that holds it.
-- KEYS: old job, new job
-- ARGV: status, rank, dual ('1' completes the new schema from the old), time, result ('' keeps the old one)
-- Returns 1 if the job has the status now, 0 if it had moved beyond it before, -1 if there is no such job.
-- Statuses only go forward (pending, running, completed or failed) and the first end is final. So a step that
-- runs twice, or arrives late, never undoes a newer one.
local rank = {pending = 0, running = 1, completed = 2, failed = 2}
local source = KEYS[2]
if redis.call('EXISTS', KEYS[2]) == 0 then
  if redis.call('EXISTS', KEYS[1]) == 0 then
    return -1
  end
  source = KEYS[1]
  if ARGV[3] == '1' then
    redis.call('HSET', KEYS[2], unpack(redis.call('HGETALL', KEYS[1])))
  end
end
local status = redis.call('HGET', source, 'status')
if status == ARGV[1] then
  return 1
end
if rank[status] >= tonumber(ARGV[2]) then
  return 0
end
local fields = {'status', ARGV[1]}
if ARGV[1] == 'running' then
  fields[3], fields[4] = 'started_at', ARGV[4]
else
  fields[3], fields[4] = 'finished_at', ARGV[4]
end
if ARGV[5] ~= '' then
  fields[5], fields[6] = 'result', ARGV[5]
end
for _, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 then
    redis.call('HSET', key, unpack(fields))
  end
end
return 1
