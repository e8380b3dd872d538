-- New jobs are ready: nearly all jobs come in by this, with few commands for many.
--
-- ARGV[2]    how many lanes
-- ARGV[3..]  their names; then for each job 16 bytes id, I2 number of its lane, and what its record
--            has from the lane length on
-- Returns    now, or (now, ones, 1) if somebody watches; nothing, and nothing was done, if one of the ids is known or comes twice
--            (admit.lua does those)
-- Cost       O(jobs)
--
-- Places first, records last: a place without a job is passed over, a job without a place would
-- be lost.
--@flags
--@include core names clock watching lanes log

local ids, seen, lanes = {}, {}, {}
local before = 2 + ARGV[2]
for i = 3, before do
  lanes[i - 2] = {}
end
for i = before + 1, #ARGV do
  local id = sub(ARGV[i], 1, 16)
  if seen[id] then
    return false
  end
  ids[i - before], seen[id] = id, true
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
local records, heads, made = {}, {}, pack('>I6', now)
for n = 1, #ids do
  local text, id = ARGV[before + n], ids[n]
  local rest, seq = sub(text, 19), pack('>I6', first + n)
  local head = heads[#rest]
  if not head then
    head = pack('>BI4', FORMAT, 17 + #rest)
    heads[#rest] = head
  end
  local high, low = byte(text, 17, 18)
  local lane = lanes[high * 256 + low]
  lane[#lane + 1] = id .. seq
  records[2 * n - 1], records[2 * n] = id, head .. seq .. made .. rest
end
for number, entries in ipairs(lanes) do
  line_up(ARGV[2 + number], entries)
end
call('HSET', JOB, unpack(records))
return watched() == 1 and {now, string.rep('1', #ids), 1} or now
