-- What decides when a job runs.
--
-- ARGV[2..5]  id; most jobs ahead to count, most workers, most jobs of each
-- Returns     now; its record, or {bytes} if it was set aside, or nothing; 1 if its queue is paused;
--             how many are ahead; {worker, info, expires, held, {id, type, queue, started} each} each
-- Cost        O(jobs ahead + jobs that run)
--@flags allow-oom
--@include core names clock events record lanes log places

local most, alive, some = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local record = call('HGET', JOB, ARGV[2])
local job = opened(ARGV[2], record)

local function ready_in(lane)
  return call('LLEN', P .. 'ready:' .. lane) - tonumber(call('HGET', P .. 'stale', lane) or 0)
end

-- How many entries of its lane are taken before it; those left behind are not counted.
local function before(lane, own)
  local sound, at, count = not call('HGET', P .. 'stale', lane), -1, 0
  while count < most and at > -2 * most do
    local entries = call('LRANGE', P .. 'ready:' .. lane, at - 249, at)
    for i = #entries, 1, -1 do
      if entries[i] == own then
        return count
      end
      local other = not sound and load(sub(entries[i], 1, 16))
      if sound or (other and is_ready(other) and entry(other) == entries[i] and other.lane == lane) then
        count = count + 1
      end
    end
    if #entries < 250 then
      break
    end
    at = at - 250
  end
  return count
end

local function ahead()
  if not job or not is_ready(job) then
    return 0
  end
  local count = 0
  for priority = 0, tonumber(sub(job.lane, -1)) - 1 do
    count = count + ready_in(queue_of(job.lane) .. ':' .. priority)
  end
  if count < most then
    count = count + before(job.lane, entry(job))
  end
  return math.min(count, most)
end

local function holding(worker)
  local ids = call('SMEMBERS', P .. 'flight:' .. worker)
  table.sort(ids)
  local seen = {}
  for i = 1, math.min(some, #ids) do
    local one = load(ids[i])
    if one then
      seen[#seen + 1] = {one.id, one.kind, queue_of(one.lane), one.started}
    end
  end
  return {worker, call('HGET', P .. 'info', worker) or '', call('ZSCORE', P .. 'workers', worker),
    #ids, seen}
end

local workers = {}
for _, worker in ipairs(call('ZRANGE', P .. 'workers', string.format('(%d', now), '+inf', 'BYSCORE',
    'LIMIT', 0, alive)) do
  workers[#workers + 1] = holding(worker)
end
local broken = not record and call('HGET', P .. 'broken', ARGV[2])
local paused = job and call('SISMEMBER', P .. 'paused', queue_of(job.lane)) or 0
return {now, record or (broken and {broken}), paused, ahead(), workers}
