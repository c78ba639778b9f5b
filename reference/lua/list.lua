-- One page of a workspace's jobs, newest first, from its index; a page costs the same at any number of jobs.
-- ARGV: prefix, workspace_id, status or '', limit, place of the last job returned ('+inf' at first), cursor of the scan
--       of the old schema ('end' when it is over), read old, how many jobs to read, how many keys to scan
-- Returns {next place or '', next cursor of the scan, jobs that only the old schema has, fields, fields, ...}.
-- Places are given once and never change, so no job is returned twice, and none is missed that existed throughout. Jobs
-- of code from before the index have no place until the scan at the index's end gives them one, below all others.
local workspace, wanted, limit, place, scan = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
local reads_old, reads_left = ARGV[7] == '1', tonumber(ARGV[8])
local page, from_old = {}, 0
local function take(id)
  local fields, is_old = call('HGETALL', new_key(workspace, id)), false
  if #fields == 0 and reads_old then fields, is_old = call('HGETALL', old_key(id)), true end
  for j = 1, #fields, 2 do
    if fields[j] == 'status' and (wanted == '' or wanted == fields[j + 1]) then
      page[#page + 1] = fields
      from_old = from_old + (is_old and 1 or 0)
    end
  end
end
local function is_through()
  while #page < limit and reads_left > 0 do
    local after = place == '+inf' and place or '(' .. place
    local found = call('ZREVRANGEBYSCORE', index_key(workspace), after, '-inf', 'WITHSCORES', 'LIMIT', 0,
      math.min(limit - #page, reads_left))
    if #found == 0 then return true end
    for i = 1, #found, 2 do take(found[i]) end
    place, reads_left = found[#found], reads_left - #found / 2
  end
  return false
end
local through = is_through()
if scan == '0' and call('EXISTS', ALL_PLACED) == 1 then scan = 'end' end
if through and scan ~= 'end' then
  local following, names = unpack(call('SCAN', scan, 'MATCH', old_key('*'), 'COUNT', ARGV[9]))
  for _, name in ipairs(names) do
    adopt(string.sub(name, #old_key('') + 1), call('HGET', name, 'workspace_id'))
  end
  scan = following == '0' and 'end' or following
  through = is_through() and scan == 'end'
end
return {through and '' or place, scan, from_old, unpack(page)}
