-- Copy one job of the old schema to the new one, or return how the two differ.
-- ARGV: prefix, job_id, 'look' | 'copy' | 'ready' | 'remove', a time: a job enqueued since then is not removed
-- Returns 'copied', 'mended', 'same', 'differs', 'missing' (no new hash), 'gone' (no old hash), 'recent' or 'removed'.
-- One step, so that no writer comes between reading the old hash and writing the new one.
local id, step = ARGV[2], ARGV[3]
local old, workspace = old_key(id), owner(id)
local fields = call('HGETALL', old)
if #fields == 0 then return 'gone' end
if not workspace then return 'differs' end
local new = new_key(workspace, id)
if step == 'copy' or step == 'remove' then adopt(id, workspace) end
if call('EXISTS', new) == 0 then
  if step ~= 'copy' then return 'missing' end
  call('HSET', new, unpack(fields))
  return 'copied'
end
-- Code that wrote one schema at a time has left copies that differ. The one with the later status is right, because
-- statuses go forward only; a field that one lacks is taken from the other. What still differs is left to a person.
local function rank(key) return RANKS[call('HGET', key, 'status')] or 0 end
local mended = 0
local function bring(from, to, command)
  local found = call('HGETALL', from)
  for i = 1, #found, 2 do
    if call('HGET', to, found[i]) ~= found[i + 1] then mended = mended + call(command, to, found[i], found[i + 1]) end
  end
end
if step == 'copy' then
  if rank(old) > rank(new) then mended = 1; bring(old, new, 'HSET') end
  if rank(new) > rank(old) then mended = 1; bring(new, old, 'HSET') end
  bring(old, new, 'HSETNX')
  bring(new, old, 'HSETNX')
  fields = call('HGETALL', old)
end
if call('HLEN', new) ~= #fields / 2 then return 'differs' end
for i = 1, #fields, 2 do
  if call('HGET', new, fields[i]) ~= fields[i + 1] then return 'differs' end
end
if step == 'look' or step == 'copy' then return mended > 0 and 'mended' or 'same' end
if (call('HGET', old, 'enqueued_at') or '') >= ARGV[4] then return 'recent' end
if step == 'ready' then return 'same' end
call('DEL', old)
return 'removed'
