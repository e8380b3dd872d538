-- New jobs are ready: nearly all jobs come in by this, with few commands for many.
--
-- ARGV[2..]  for each job 16 bytes id, then what its record has from the lane length on
-- Returns    now; nothing, and nothing was done, if one of the ids is known or comes twice
--            (admit.lua does those)
-- Cost       O(jobs)
--
-- Places first, records last: a place without a job is passed over, a job without a place would
-- be lost.
--@flags
--@include core names clock lanes log

local NOW6 = pack('>I6', now)
local ids, seen = {}, {}
for i = 2, #ARGV do
  local id = sub(ARGV[i], 1, 16)
  if seen[id] then
    return false
  end
  ids[i - 1], seen[id] = id, true
end
for _, known in ipairs(call('HMGET', JOB, unpack(ids))) do
  if known then
    return false
  end
end
local first = call('INCRBY', P .. 'seq', #ids) - #ids + 1
local records, lanes, order = {}, {}, {}
for i = 1, #ids do
  local rest = sub(ARGV[i + 1], 17)
  local seq = pack('>I6', first + i - 1)
  local lane = sub(rest, 3, 2 + byte(rest))
  local entries = lanes[lane]
  if not entries then
    entries = {}
    lanes[lane] = entries
    order[#order + 1] = lane
  end
  entries[#entries + 1] = ids[i] .. seq
  records[2 * i - 1] = ids[i]
  records[2 * i] = pack('>BI4', FORMAT, 17 + #rest) .. seq .. NOW6 .. rest
end
note_in_log(first, ids)
for _, lane in ipairs(order) do
  line_up(lane, lanes[lane])
end
call('HSET', JOB, unpack(records))
return now
