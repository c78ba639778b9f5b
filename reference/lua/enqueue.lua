-- Enqueue a job once.
-- KEYS: old job, new job, pending list, workspace index, request key, owners
-- ARGV: job_id, workspace_id, dual ('1' writes the new schema too), has_request ('1' if KEYS[5] counts),
--       idempotency seconds, score, then field, value, field, value, ...
-- Returns 1 if the job was enqueued, 0 if the request or the job was known, -1 if the id is another workspace's.
-- One step, so any prefix of the conversation leaves all or nothing; a second run finds the first and returns 0.
if ARGV[4] == '1' and redis.call('EXISTS', KEYS[5]) == 1 then
  return 0
end
local owner = redis.call('HGET', KEYS[1], 'workspace_id')
if owner then
  if owner ~= ARGV[2] then
    return -1
  end
  return 0
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  return 0
end
local fields = {}
for i = 7, #ARGV do
  fields[#fields + 1] = ARGV[i]
end
redis.call('HSET', KEYS[1], unpack(fields))
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[2], unpack(fields))
end
redis.call('RPUSH', KEYS[3], ARGV[1])
redis.call('HSET', KEYS[6], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[4], ARGV[6], ARGV[1])
if ARGV[4] == '1' then
  redis.call('SET', KEYS[5], ARGV[1], 'EX', ARGV[5])
end
return 1
