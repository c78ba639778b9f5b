-- Bring one job of the old schema to the new one, or say how the two differ.
-- KEYS: owners, old job, sequence
-- ARGV: prefix, job_id, 'copy' | 'look' | 'remove'
-- Returns 'copied', 'same', 'differs', 'missing' (no new hash), 'gone' (no old hash) or 'removed'.
-- One step, so no writer comes between reading the old hash and writing the new.
local id = ARGV[2]
local fields = redis.call('HGETALL', KEYS[2])
if #fields == 0 then return 'gone' end
local workspace = owner(id)
if not workspace then return 'differs' end
local new = new_key(workspace, id)
if redis.call('EXISTS', new) == 0 then
  if ARGV[3] ~= 'copy' then return 'missing' end
  redis.call('HSET', new, unpack(fields))
  redis.call('HSET', KEYS[1], id, workspace)
  redis.call('ZADD', P .. 'ai:index:' .. workspace, 'NX', redis.call('INCR', KEYS[3]), id)
  return 'copied'
end
if redis.call('HLEN', new) ~= #fields / 2 then return 'differs' end
for i = 1, #fields, 2 do
  if redis.call('HGET', new, fields[i]) ~= fields[i + 1] then return 'differs' end
end
if ARGV[3] ~= 'remove' then return 'same' end
redis.call('DEL', KEYS[2])
return 'removed'
