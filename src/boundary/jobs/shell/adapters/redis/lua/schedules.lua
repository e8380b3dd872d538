-- All schedules.
--
-- Returns  {name, next tick, body} each
-- Cost     O(schedules)
--@flags no-writes allow-oom
--@include names

local found = {}
local all = call('HGETALL', P .. 'schedules')
for i = 1, #all, 2 do
  found[#found + 1] = {all[i], call('ZSCORE', P .. 'ticks', all[i]), all[i + 1]}
end
return found
