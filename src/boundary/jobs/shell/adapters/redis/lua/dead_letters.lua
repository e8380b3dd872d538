-- The latest dead letters.
--
-- ARGV[2]  {limit, scan, from, queue?, kind?}  `from`: how many were passed over so far
-- Returns  ids, records, where to go on (-1: all were looked at); with `from` 0 also what was set
--          aside: {id, bytes} each
-- Cost     O(scan)
--@flags no-writes allow-oom
--@include core names events record lanes log places

local ask = cmsgpack.unpack(ARGV[2])
local ids, records = {}, {}
local members = call('ZRANGE', P .. 'dead', ask.from, ask.from + ask.scan - 1, 'REV')
for _, member in ipairs(members) do
  if #ids == ask.limit then
    break
  end
  local id = sub(member, 7)
  local record = call('HGET', JOB, id)
  local job = opened(id, record)
  if job and (not ask.queue or queue_of(job.lane) == ask.queue)
      and (not ask.kind or job.kind == ask.kind) then
    ids[#ids + 1], records[#records + 1] = id, record
  end
end
local broken = {}
if ask.from == 0 and not ask.kind then
  local all = call('HSCAN', P .. 'broken', 0, 'COUNT', 1000)[2]
  for i = 1, #all, 2 do
    broken[#broken + 1] = {all[i], all[i + 1]}
  end
end
local more = #members == ask.scan and #ids < ask.limit
return {table.concat(ids), records, more and ask.from + ask.scan or -1, broken}
