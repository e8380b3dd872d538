-- Jobs of a queue that wait are gone: the ready ones first, then those that wait for an instant.
--
-- ARGV[2]  {queue, limit, scan, from}  `from`: how many of the waiting were passed over so far
-- ARGV[3]  the act, see parts/acting.lua
-- Returns  how many are gone; where to go on among the waiting, -1: all were looked at
-- Cost     O(limit + scan + entries left behind, MOST_PASSED at most)
--@flags allow-oom
--@include core names clock events record lanes log places acting

local ask = cmsgpack.unpack(ARGV[2])
local gone, asides, passed = {}, {}, 0

local function remove(job, eagerly)
  asides[#asides + 1] = aside(ARGV[3], job, 'g')
  lift(job, eagerly)
  drop(job)
  gone[#gone + 1] = job.id
end

local function empty(lane)
  local key, before = P .. 'ready:' .. lane, passed
  while #gone < ask.limit and passed < MOST_PASSED do
    local entry = call('RPOP', key)
    if not entry then
      break
    end
    local job = load(sub(entry, 1, 16))
    if job and is_ready(job) and pack('>I6', job.seq) == sub(entry, 17) and job.lane == lane then
      asides[#asides + 1] = aside(ARGV[3], job, 'g')
      drop(job)
      gone[#gone + 1] = job.id
    else
      passed = passed + 1
    end
  end
  if call('EXISTS', key) == 0 then
    call('SREM', P .. 'lanes', lane)
  end
  if passed > before and call('HINCRBY', P .. 'stale', lane, before - passed) <= 0 then
    call('HDEL', P .. 'stale', lane)
  end
end

for priority = 0, 3 do
  empty(ask.queue .. ':' .. priority)
end
local from = ask.from
if passed >= MOST_PASSED then
  from = 0 -- the ready ones come first, and these were not all
elseif #gone < ask.limit and tonumber(call('HGET', P .. 'scheduled', ask.queue) or 0) > 0 then
  local members = call('ZRANGE', P .. 'due', from, from + ask.scan - 1)
  for _, member in ipairs(members) do
    if #gone == ask.limit then
      break
    end
    local job = queue_of(sub(member, 23)) == ask.queue and load(sub(member, 7, 22))
    if job then
      remove(job)
    else
      from = from + 1
    end
  end
  if #members < ask.scan and #gone < ask.limit then
    from = -1
  end
else
  from = -1
end
log_act(ARGV[3], #gone, asides)
told('result', gone)
return {#gone, from}
