-- What was counted in each of the last minutes.
--
-- ARGV[2]  how many minutes
-- Returns  now; minute ":" queue ":" kind and a number, again and again, of whole hours
-- Cost     O(minutes x queues)
--@flags allow-oom
--@include core names clock

local found = {}
local first = now - tonumber(ARGV[2]) * 60000
for hour = math.floor(first / 3600000), math.floor(now / 3600000) do
  for _, one in ipairs(call('HGETALL', P .. 'series:' .. hour)) do
    found[#found + 1] = one
  end
end
return {now, found}
