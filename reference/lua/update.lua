-- Move a job to a status, in every copy; first create the new schema's copy if the phase writes it and it is missing.
-- ARGV: prefix, job_id, workspace_id or '', write new, status, time, result ('' keeps the stored one)
-- Returns 1 if this call moved it, 2 if it had the status, 0 if it had moved beyond it, -1 if there is no such job.
-- Statuses go forward only (pending, running, completed or failed) and the first end is final: a step that runs twice,
-- or arrives late, never undoes a newer one. An end also ends the lease: its holder is refused then.
local id, wanted, time = ARGV[2], ARGV[5], ARGV[6]
local held, workspace = copies(id)
if not held[1] or (ARGV[3] ~= '' and workspace ~= ARGV[3]) then return -1 end
local status, stamp = status_of(held), wanted == 'running' and 'started_at' or 'finished_at'
if status == wanted then return call('HGET', held[1], stamp) == time and 1 or 2 end
if (RANKS[status] or 0) >= RANKS[wanted] then return 0 end
adopt(id, workspace)
if ARGV[4] == '1' and workspace and held[1] == old_key(id) then
  call('HSET', new_key(workspace, id), unpack(call('HGETALL', held[1])))
  held = copies(id)
end
if RANKS[wanted] == 2 then release(id) end
set(held, 'status', wanted, stamp, time)
if ARGV[7] ~= '' then set(held, 'result', ARGV[7]) end
return 1
