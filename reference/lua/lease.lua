-- The calls of a lease's holder: heartbeat, complete, fail, give_back. Only the job's last token is valid: it fences.
-- ARGV: prefix, one of these, job_id, token, time, lease or back-off in ms, most attempts, result,
--       for how many seconds to remember the answer, workspace_id or ''
-- Returns {answer, workspace_id}. The answer is 1 if it was done (now or by an earlier run of the same step), 2 if the
-- job is a dead letter now, 0 if the lease has ended or is another worker's, or the job is another workspace's.
local step, id, token, time, ms, result = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[8]
local held, workspace = copies(id)
workspace = workspace or ''
if ARGV[10] ~= '' and ARGV[10] ~= workspace then return {0, workspace} end
local done = P .. 'ai:done:' .. token
local known, of = string.match(call('GET', done) or '', '^(%d) (.*)$')
if of == step .. ' ' .. id then return {tonumber(known), workspace} end
if call('HGET', TOKENS, id) ~= token then return {0, workspace} end
if RANKS[status_of(held)] == 2 then
  release(id) -- it was finished without its lease
  return {0, workspace}
end
if step == 'heartbeat' then
  call('ZADD', LEASES, 'XX', 'GT', now_ms() + ms, id) -- one that arrives late shortens nothing
  return {1, workspace}
end
local answer = 1
if step == 'complete' then
  release(id)
  set(held, 'status', 'completed', 'finished_at', time, 'result', result)
elseif step == 'fail' and tonumber(call('HGET', ATTEMPTS, id) or 0) >= tonumber(ARGV[7]) then
  answer = 2
  release(id)
  call('RPUSH', DEAD, id)
  set(held, 'status', 'failed', 'finished_at', time, 'result', result)
else
  if step == 'give_back' then call('HINCRBY', ATTEMPTS, id, -1) end -- it was not tried
  -- A lease without a holder ends with the back-off, and is then taken back like any other that has ended.
  call('HDEL', TOKENS, id)
  call('ZADD', LEASES, now_ms() + ms, id)
end
call('SET', done, answer .. ' ' .. step .. ' ' .. id, 'EX', ARGV[9])
return {answer, workspace}
