-- Queues, counters and workers.
--
-- ARGV[2]  queue; empty: all
-- Returns  now; {queue, ready, scheduled, running, paused, oldest or -1} each; counters as a flat list of names
--          and numbers; {worker, info, expires, ids} each
-- Cost     O(lanes + queues + jobs that run)
--@flags allow-oom
--@include core names clock events record lanes log places

local only = ARGV[2]
local loads = {}

local function at(queue)
  local load = loads[queue]
  if not load then
    load = {queue, 0, 0, 0, 0, -1}
    loads[queue] = load
  end
  return load
end

-- Since when the next job of a lane is ready; of a lane with very many entries left behind nobody
-- knows.
local function ready_since(lane, stale)
  local entries = call('LRANGE', P .. 'ready:' .. lane, stale > 0 and -250 or -1, -1)
  for i = #entries, 1, -1 do
    local job = load(sub(entries[i], 1, 16))
    if job and is_ready(job) and entry(job) == entries[i] and job.lane == lane then
      return job.updated
    end
  end
end

for _, lane in ipairs(call('SMEMBERS', P .. 'lanes')) do
  local stale = tonumber(call('HGET', P .. 'stale', lane) or 0)
  local ready = call('LLEN', P .. 'ready:' .. lane) - stale
  if ready > 0 then
    local load, since = at(queue_of(lane)), ready_since(lane, stale)
    load[2] = load[2] + ready
    if since and (load[6] < 0 or since < load[6]) then
      load[6] = since
    end
  end
end
local scheduled = call('HGETALL', P .. 'scheduled')
for i = 1, #scheduled, 2 do
  at(scheduled[i])[3] = tonumber(scheduled[i + 1])
end
local workers = {}
for _, worker in ipairs(call('ZRANGE', P .. 'workers', 0, -1)) do
  local ids = {}
  for _, id in ipairs(call('SMEMBERS', P .. 'flight:' .. worker)) do
    local job = load(id)
    if job then
      at(queue_of(job.lane))[4] = at(queue_of(job.lane))[4] + 1
      ids[#ids + 1] = id
    end
  end
  workers[#workers + 1] = {worker, call('HGET', P .. 'info', worker) or '',
    call('ZSCORE', P .. 'workers', worker), table.concat(ids)}
end
for _, queue in ipairs(call('SMEMBERS', P .. 'paused')) do
  at(queue)[5] = 1
end
local rows = {}
for queue, load in pairs(loads) do
  if only == '' or only == queue then
    rows[#rows + 1] = load
  end
end
return {now, rows, call('HGETALL', P .. 'counters'), only == '' and workers or {}}
