-- All schedules, or one.
--
-- ARGV[2]  name; empty: all
-- Returns  {name, next tick or nothing, body, what it fired last} each
-- Cost     O(schedules)
--@flags no-writes allow-oom
--@include names schedules

local wanted = ARGV[2]
local stored = wanted == '' and call('HGETALL', P .. 'schedules') or {wanted, ''}
local found = {}
for i = 1, #stored, 2 do
  found[#found + 1] = schedule(stored[i], call('ZSCORE', P .. 'ticks', stored[i]))
end
return found
