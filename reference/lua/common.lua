-- Put in front of every script. KEYS[1] is the owners' hash, ARGV[1] the prefix of all keys.
-- Every step changes every copy of a job that exists, whatever the phase: so phases can run side by side.
local P = ARGV[1]
local function old_key(id) return P .. 'ai:jobs:' .. id end
local function new_key(workspace, id) return P .. 'ai:job:' .. workspace .. ':' .. id end
local function owner(id)
  return redis.call('HGET', KEYS[1], id) or redis.call('HGET', old_key(id), 'workspace_id')
end
local function copies(id)
  local held, workspace = {}, owner(id)
  for _, key in ipairs({workspace and new_key(workspace, id) or old_key(id), old_key(id)}) do
    if held[1] ~= key and redis.call('EXISTS', key) == 1 then held[#held + 1] = key end
  end
  return held
end
local function set(id, ...)
  for _, key in ipairs(copies(id)) do redis.call('HSET', key, ...) end
end
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
