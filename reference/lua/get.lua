-- Read a job where the phase says to look first, then where it may fall back to.
-- KEYS: owners, then the job's keys in the order of reading
-- ARGV: prefix, workspace_id or '' for any
-- Returns {fields, number of the key that held it}; {{}, 0} if none does. Another workspace's job is not held.
for number = 2, #KEYS do
  local fields = redis.call('HGETALL', KEYS[number])
  if #fields > 0 and (ARGV[2] == '' or redis.call('HGET', KEYS[number], 'workspace_id') == ARGV[2]) then
    return {fields, number - 1}
  end
end
return {{}, 0}
