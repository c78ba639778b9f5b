-- Enqueue a job once.
-- ARGV: prefix, job_id, workspace_id, write old, write new, client_request_id or '', idempotency seconds, enqueued_at,
--       then field, value, field, value, ...
-- Returns 1 if this call put the job in, 0 if the request or the job was known, -1 if the id is another workspace's.
-- One step, so any prefix of the conversation leaves all or nothing. A second run finds the job of the first, and
-- recognises it by the time of enqueueing.
local id, workspace = ARGV[2], ARGV[3]
local old, new = old_key(id), new_key(workspace, id)
local request = ARGV[6] ~= '' and P .. 'ai:idempotency:' .. workspace .. ':' .. ARGV[6]
local held, known = copies(id)
if held[1] and known == workspace and call('HGET', held[1], 'enqueued_at') == ARGV[8] then return 1 end
if request and call('EXISTS', request) == 1 then return 0 end
if held[1] then return known == workspace and 0 or -1 end
if call('EXISTS', new) == 1 then return 0 end
if ARGV[4] == '1' then call('HSET', old, unpack(ARGV, 9)) end
if ARGV[5] == '1' then call('HSET', new, unpack(ARGV, 9)) end
call('HSET', OWNERS, id, workspace)
call('ZADD', index_key(workspace), call('INCR', SEQUENCE), id)
call('RPUSH', PENDING, id)
if request then call('SET', request, id, 'EX', ARGV[7]) end
return 1
