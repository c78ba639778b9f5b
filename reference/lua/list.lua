-- One page of a workspace's jobs, newest first.
-- KEYS: workspace index
-- ARGV: workspace_id, status or '', limit, offset
-- Returns {next offset or -1, fields, fields, ...}. Reads each job in the new schema, else in the old one.
local out = {-1}
local offset, limit = tonumber(ARGV[4]), tonumber(ARGV[3])
local ids = redis.call('ZREVRANGE', KEYS[1], offset, offset + limit - 1)
for _, id in ipairs(ids) do
  local fields = redis.call('HGETALL', 'ai:job:' .. ARGV[1] .. ':' .. id)
  if #fields == 0 then
    fields = redis.call('HGETALL', 'ai:jobs:' .. id)
  end
  local status
  for i = 1, #fields, 2 do
    if fields[i] == 'status' then
      status = fields[i + 1]
    end
  end
  if status and (ARGV[2] == '' or ARGV[2] == status) then
    out[#out + 1] = fields
  end
end
if #ids == limit then
  out[1] = offset + limit
end
return out
