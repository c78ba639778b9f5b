-- Put in front of every script. KEYS are the shared keys, in the order of SHARED in keys.py; ARGV[1] is the prefix of
-- all keys. A job's own keys are built here from its id and are not declared, because many steps learn only from the
-- queue which job they are about. In a Cluster, the prefix puts all of them into one slot.
-- Every step changes every existing copy of a job, whatever the phase, so that phases can run side by side.
local P = ARGV[1]
local OWNERS, PENDING, DEAD, LEASES, TOKENS, ATTEMPTS, SEQUENCE, ALL_PLACED = unpack(KEYS)
local RANKS = {pending = 0, running = 1, completed = 2, failed = 2}
local call = redis.call
local function old_key(id) return P .. 'ai:jobs:' .. id end
local function new_key(workspace, id) return P .. 'ai:job:' .. workspace .. ':' .. id end
local function index_key(workspace) return P .. 'ai:index:' .. workspace end
local function owner(id)
  return call('HGET', OWNERS, id) or call('HGET', old_key(id), 'workspace_id')
end
-- The keys that hold the job, the new schema's first, and the job's workspace.
local function copies(id)
  local held, workspace = {}, owner(id)
  for _, key in ipairs({workspace and new_key(workspace, id) or old_key(id), old_key(id)}) do
    if held[1] ~= key and call('EXISTS', key) == 1 then held[#held + 1] = key end
  end
  return held, workspace
end
-- The latest status of the copies: statuses go forward only, so that one is true.
local function status_of(held)
  local status
  for _, key in ipairs(held) do
    local found = call('HGET', key, 'status')
    if found and (not status or (RANKS[found] or 0) > (RANKS[status] or 0)) then status = found end
  end
  return status
end
local function set(held, ...)
  for _, key in ipairs(held) do call('HSET', key, ...) end
end
local function release(id)
  call('ZREM', LEASES, id)
  call('HDEL', TOKENS, id)
  call('HDEL', ATTEMPTS, id)
end
-- Code from before the index gave its jobs no owner and no place. They get a place below all others, so that a listing
-- in progress still meets them; and where there is one such job there may be more.
local function adopt(id, workspace)
  if not workspace or call('HSETNX', OWNERS, id, workspace) == 0 then return end
  call('ZADD', index_key(workspace), 'NX', -call('INCR', SEQUENCE), id)
  call('DEL', ALL_PLACED)
end
local function now_ms()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
