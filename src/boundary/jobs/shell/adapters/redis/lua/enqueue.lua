-- New jobs are ready: nearly all jobs come in by this, with few commands for many.
--
-- ARGV[2..]  for each lane its name, how many jobs, and for each job 16 bytes id, then what its
--            record has from the lane length on
-- Returns    now; nothing, and nothing was done, if one of the ids is known or comes twice
--            (admit.lua does those)
-- Cost       O(jobs)
--
-- Places first, records last: a place without a job is passed over, a job without a place would
-- be lost.
--@flags
--@include core names clock lanes log

local ids, seen, lanes, at = {}, {}, {}, 2
while at < #ARGV do
  local first = at + 2
  at = first + ARGV[at + 1]
  lanes[#lanes + 1] = {name = ARGV[first - 2], first = first, last = at - 1}
  for i = first, at - 1 do
    local id = sub(ARGV[i], 1, 16)
    if seen[id] then
      return false
    end
    ids[#ids + 1], seen[id] = id, true
  end
end
if #ids == 1 then
  if call('HEXISTS', JOB, ids[1]) == 1 then
    return false
  end
else
  for _, known in ipairs(call('HMGET', JOB, unpack(ids))) do
    if known then
      return false
    end
  end
end
local first = call('INCRBY', P .. 'seq', #ids) - #ids
note_in_log(first + 1, ids)
local records, heads, n, made = {}, {}, 0, pack('>I6', now)
for _, lane in ipairs(lanes) do
  local entries = {}
  for i = lane.first, lane.last do
    n = n + 1
    local rest, seq, id = sub(ARGV[i], 17), pack('>I6', first + n), ids[n]
    local head = heads[#rest]
    if not head then
      head = pack('>BI4', FORMAT, 17 + #rest)
      heads[#rest] = head
    end
    entries[#entries + 1] = id .. seq
    records[2 * n - 1], records[2 * n] = id, head .. seq .. made .. rest
  end
  line_up(lane.name, entries)
end
call('HSET', JOB, unpack(records))
return now
