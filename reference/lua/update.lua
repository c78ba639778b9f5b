-- Move a job to a status, in every copy; first make the copy that the phase asks for and that is missing.
-- KEYS: owners, old job, new job, workspace index, sequence, phases
-- ARGV: prefix, job_id, workspace_id or '', phase, write new, status, rank, time, result ('' keeps the one there is)
-- Returns 1 if the job has the status now, 0 if it had moved beyond it, -1 if there is no such job.
-- Statuses go forward only (pending, running, completed or failed) and the first end is final: so a step that
-- runs twice, or arrives late, never undoes a newer one.
local rank = {pending = 0, running = 1, completed = 2, failed = 2}
local id = ARGV[2]
local workspace = owner(id)
if not workspace or (ARGV[3] ~= '' and workspace ~= ARGV[3]) then return -1 end
local held = copies(id)
if #held == 0 then return -1 end
if ARGV[5] == '1' and held[1] ~= new_key(workspace, id) then
  redis.call('HSET', new_key(workspace, id), unpack(redis.call('HGETALL', held[1])))
  redis.call('HSET', KEYS[1], id, workspace)
  if ARGV[3] ~= '' then redis.call('ZADD', KEYS[4], 'NX', redis.call('INCR', KEYS[5]), id) end
end
redis.call('HSET', KEYS[6], ARGV[4], ARGV[8])
local status = redis.call('HGET', held[1], 'status')
if status == ARGV[6] then return 1 end
if (rank[status] or 0) >= tonumber(ARGV[7]) then return 0 end
local time = ARGV[6] == 'running' and 'started_at' or 'finished_at'
set(id, 'status', ARGV[6], time, ARGV[8])
if ARGV[9] ~= '' then set(id, 'result', ARGV[9]) end
return 1
