-- What was counted in each of some minutes or hours.
--
-- ARGV[2]     'minutes' or 'hours'
-- ARGV[3..4]  the first and the last key: hours since 1970 for minutes, days for hours
-- Returns     begin "|" queue "|" job type ":" kind and a number, again and again, of whole keys
-- Cost        O(what was counted)
--@flags allow-oom
--@include core names

local found = {}
for number = tonumber(ARGV[3]), tonumber(ARGV[4]) do
  local key = ARGV[2] == 'hours' and P .. 'hours:' .. number or P .. 'minutes:' .. number
  for _, one in ipairs(call('HGETALL', key)) do
    found[#found + 1] = one
  end
end
return found
