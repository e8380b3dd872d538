-- Records by id.
--
-- ARGV[2]  ids, 16 bytes each
-- Returns  for each its record, or what was set aside of it behind a list of one, or nothing
-- Cost     O(ids)
--@flags no-writes allow-oom
--@include names

local ids = {}
for at = 1, #ARGV[2], 16 do
  ids[#ids + 1] = sub(ARGV[2], at, at + 15)
end
local records = call('HMGET', JOB, unpack(ids))
for i, id in ipairs(ids) do
  local broken = not records[i] and call('HGET', P .. 'broken', id)
  if broken then
    records[i] = {broken}
  end
end
return records
