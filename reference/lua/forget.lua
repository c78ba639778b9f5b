-- Remove a finished job entirely: its copies, its owner, its place, its dead letter.
-- ARGV: prefix, job_id, workspace_id, a time: it is removed only if it was finished before
-- Returns 1 if it was removed, 0 if there is no such job, or it is not finished, or not for so long.
local id = ARGV[2]
local held, workspace = copies(id)
if not held[1] or workspace ~= ARGV[3] or RANKS[status_of(held)] ~= 2 then return 0 end
for _, key in ipairs(held) do
  if (call('HGET', key, 'finished_at') or '') >= ARGV[4] then return 0 end
end
call('DEL', unpack(held))
call('HDEL', OWNERS, id)
call('ZREM', index_key(workspace), id)
call('LREM', DEAD, 0, id)
release(id)
return 1
