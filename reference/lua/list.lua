-- One page of a workspace's jobs, newest first, from its index; a page costs the same at any number of jobs.
-- KEYS: owners, workspace index
-- ARGV: prefix, workspace_id, status or '', limit, cursor ('+inf', or '(' and the last place of the page before)
-- Returns {next cursor or '', jobs that only the old schema held, fields, fields, ...}. Places are given once and never
-- change, so no job is told twice, and none is missed that was there throughout.
local found = redis.call('ZREVRANGEBYSCORE', KEYS[2], ARGV[5], '-inf', 'WITHSCORES', 'LIMIT', 0, ARGV[4])
local out, from_old = {'', 0}, 0
for i = 1, #found, 2 do
  local fields = redis.call('HGETALL', new_key(ARGV[2], found[i]))
  if #fields == 0 then
    fields = redis.call('HGETALL', old_key(found[i]))
    from_old = from_old + (#fields > 0 and 1 or 0)
  end
  for j = 1, #fields, 2 do
    if fields[j] == 'status' and (ARGV[3] == '' or ARGV[3] == fields[j + 1]) then out[#out + 1] = fields end
  end
end
if #found == 2 * tonumber(ARGV[4]) then out[1] = '(' .. found[#found] end
out[2] = from_old
return out
