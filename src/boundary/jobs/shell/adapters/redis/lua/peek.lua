-- The next ready jobs of a queue.
--
-- ARGV[2..3]  queue, most
-- ARGV[4]     where to go on: the priority, and the entry of its lane come to; '': at the first
-- Returns     ids, records, where to go on ('': this was all, or as many as were asked for)
-- Cost        O(jobs + entries left behind, MOST_PASSED at most) and, going on, the way back there
--@flags no-writes allow-oom
--@include core names events record lanes log places

local limit, passed = tonumber(ARGV[3]), 0
local ids, records = {}, {}

-- The job of this entry joins, if it is ready.
local function look(entry, lane)
  local id = sub(entry, 1, 16)
  local record = call('HGET', JOB, id)
  local job = opened(id, record)
  if job and is_ready(job) and pack('>I6', job.seq) == sub(entry, 17) and job.lane == lane then
    ids[#ids + 1], records[#records + 1] = id, record
  else
    passed = passed + 1
  end
end

-- The lane from its head on, or from behind this entry. The entry come to, if this was cut short.
local function look_through(lane, after)
  local key = P .. 'ready:' .. lane
  -- One that was taken out meanwhile was at the head with all that was looked at before it.
  local at = after ~= '' and call('LPOS', key, after, 'RANK', -1) or call('LLEN', key)
  while at > 0 and #ids < limit do
    local first = math.max(at - 250, 0)
    local entries = call('LRANGE', key, first, at - 1)
    for i = #entries, 1, -1 do
      if #ids < limit then
        look(entries[i], lane)
      end
    end
    at = first
    if passed >= MOST_PASSED and at > 0 and #ids < limit then
      return entries[1]
    end
  end
end

local begin, after = tonumber(sub(ARGV[4], 1, 1)) or 0, sub(ARGV[4], 2)
local on = ''
for priority = begin, 3 do
  local entry = look_through(ARGV[2] .. ':' .. priority, priority == begin and after or '')
  if entry then
    on = priority .. entry
    break
  end
end
return {table.concat(ids), records, on}
