-- The partition is ours to use.
--
-- ARGV[2..3]  our format, the number of partitions
-- Returns     "", or what is wrong: "format", "partitions" or a key, and what was found there
-- Cost        O(1)
--@flags allow-oom
--@include names

local types = {clock = 'string', seq = 'string', job = 'hash', gone = 'hash', pieces = 'set', tuned = 'set', counters = 'hash',
  scheduled = 'hash', stale = 'hash', broken = 'hash', info = 'hash', orders = 'hash', schedules = 'hash',
  fired = 'hash', firing = 'hash',
  lanes = 'set', paused = 'set', stopping = 'set', keeps = 'set', ends = 'zset', workers = 'zset', due = 'zset',
  ticks = 'zset', dead = 'zset', groups = 'zset', causes = 'hash', acts = 'hash', acted = 'zset', wake = 'zset', watchers = 'zset',
  format = 'string'}
for key, wanted in pairs(types) do
  local found = call('TYPE', P .. key).ok
  if found ~= 'none' and found ~= wanted then
    return {P .. key, found}
  end
end
local stored = call('GET', P .. 'format')
if not stored then
  call('SET', P .. 'format', ARGV[2] .. ' ' .. ARGV[3])
  return {'', ''}
end
local form, partitions = string.match(stored, '^(%d+) (%d+)$')
if form ~= ARGV[2] then
  return {'format', stored}
elseif partitions ~= ARGV[3] then
  return {'partitions', partitions}
end
return {'', ''}
