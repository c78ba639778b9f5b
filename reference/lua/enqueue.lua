-- Enqueue a job once.
-- KEYS: owners, old job, new job, pending list, workspace index, request key, sequence, phases
-- ARGV: prefix, job_id, workspace_id, phase, write old, write new, has request ('1' or '0'), idempotency seconds,
--       time, then field, value, field, value, ...
-- Returns 1 if the job is in now, 0 if the request or the job was known, -1 if the id is another workspace's.
-- One step, so any prefix of the conversation leaves all or nothing; a second run finds the first.
local id, workspace = ARGV[2], ARGV[3]
if ARGV[7] == '1' and redis.call('EXISTS', KEYS[6]) == 1 then return 0 end
local known = owner(id)
if known then return known == workspace and 0 or -1 end
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
local fields = {unpack(ARGV, 10)}
if ARGV[5] == '1' then redis.call('HSET', KEYS[2], unpack(fields)) end
if ARGV[6] == '1' then redis.call('HSET', KEYS[3], unpack(fields)) end
redis.call('HSET', KEYS[1], id, workspace)
redis.call('ZADD', KEYS[5], redis.call('INCR', KEYS[7]), id)
redis.call('RPUSH', KEYS[4], id)
redis.call('HSET', KEYS[8], ARGV[4], ARGV[9])
if ARGV[7] == '1' then redis.call('SET', KEYS[6], id, 'EX', ARGV[8]) end
return 1
