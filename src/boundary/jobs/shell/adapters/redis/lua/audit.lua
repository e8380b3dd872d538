-- What operators did, the latest act first.
--
-- ARGV[2..3]  most; an id below which to look, or empty
-- Returns     {id, entry} each
-- Cost        O(entries returned + acts of the same millisecond)
--@flags no-writes allow-oom
--@include core names

local most, before = tonumber(ARGV[2]), ARGV[3]
local top = before == '' and '+inf' or string.format('%d', unpacked('>I6', before))
local found, from = {}, 0
while #found < most do
  local ids = call('ZRANGE', P .. 'acted', top, '-inf', 'BYSCORE', 'REV', 'LIMIT', from, most)
  for _, id in ipairs(ids) do
    if #found < most and (before == '' or id < before) then
      found[#found + 1] = {id, call('HGET', P .. 'acts', id)}
    end
  end
  if #ids < most then
    break
  end
  from = from + most
end
return found
