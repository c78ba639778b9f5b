-- Read a job: the new schema first, the old one if that is empty.
-- KEYS: new job, old job
-- ARGV: workspace_id, or '' to ask for any
-- Returns {fields, 'new' | 'old' | 'miss'}. A job of another workspace is a miss.
for i, path in ipairs({'new', 'old'}) do
  local fields = redis.call('HGETALL', KEYS[i])
  if #fields > 0 then
    if ARGV[1] == '' or redis.call('HGET', KEYS[i], 'workspace_id') == ARGV[1] then
      return {fields, path}
    end
  end
end
return {{}, 'miss'}
