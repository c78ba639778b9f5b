-- Read a job from the schemas that the phase reads, in its order.
-- ARGV: prefix, job_id, workspace_id or '' for any, then 'old' and 'new' in the order of reading
-- Returns {fields, how many schemas were read}; {{}, 0} if none has it, or the job is another workspace's.
local id = ARGV[2]
local workspace = ARGV[3] ~= '' and ARGV[3] or owner(id) or ''
for number = 4, #ARGV do
  local key = ARGV[number] == 'old' and old_key(id) or new_key(workspace, id)
  local fields = call('HGETALL', key)
  if #fields > 0 and (ARGV[3] == '' or call('HGET', key, 'workspace_id') == workspace) then
    return {fields, number - 3}
  end
end
return {{}, 0}
