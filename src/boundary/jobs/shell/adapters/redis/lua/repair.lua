-- A stretch of the store is looked at: where jobs stand by their records, and what stands there
-- without a record.
--
-- ARGV[2]  {phase, at, roll, limit, mend}  where to go on; roll 0: from the beginning
-- Returns  phase ('': this was all), at, roll; how many jobs it looked at; kind and number of what
--          was amiss, as a flat list
-- Cost     O(limit + 5000)
--@flags allow-oom
--@include core names clock events record lanes log places finished rolling mending

local ask = cmsgpack.unpack(ARGV[2])
local roll = ask.roll > 0 and ask.roll or now
ROLL, MEND = P .. 'roll:' .. string.format('%d', roll), ask.mend
local looked = 0

-- Entries from the rank `at` on; where to go on, '': at the next index. `check_entry` returns whether
-- it took the entry out.
local function through(key, at, check_entry)
  local from, gone = tonumber(at) or 0, 0
  local members = call('ZRANGE', key, from, from + ask.limit - 1)
  for _, member in ipairs(members) do
    if check_entry(member) then
      gone = gone + 1
    end
  end
  return #members == ask.limit and tostring(from + #members - gone) or ''
end

-- What stands in an index without a job is taken out.
local function stray(take_out)
  amiss('entry without a job', take_out)
  return MEND
end

local function through_due(at)
  return through(P .. 'due', at, function(member)
    local job = load(sub(member, 7, 22))
    if job and job.due ~= NONE and due_member(job) == member then
      return false
    end
    return stray(function()
      call('ZREM', P .. 'due', member)
      count_scheduled(queue_of(sub(member, 23)), -1)
    end)
  end)
end

local function through_status(status)
  return function(at)
    return through(P .. 'status:' .. status, at, function(id)
      local job = load(id)
      if job and job.status == status then
        return false
      end
      return stray(function() call('ZREM', P .. 'status:' .. status, id) end)
    end)
  end
end

local function is_dead(id, member)
  local job = load(id)
  return job and is_finished(job) and EVENTS[job.ending].dead and dead_member(job) == member
end

local function through_dead(at)
  return through(P .. 'dead', at, function(member)
    local id = sub(member, 7)
    if is_dead(id, member) then
      return false
    end
    return stray(function() forget_dead({id = id, seq = unpacked('>I6', member)}) end)
  end)
end

local function check_group(group)
  local key = P .. 'cause:' .. group
  for _, member in ipairs(call('ZRANGE', key, 0, WHOLE - 1)) do
    local id = sub(member, 7)
    if not is_dead(id, member) or call('HGET', P .. 'causes', id) ~= group then
      stray(function() call('ZREM', key, member) end)
    end
  end
  if call('EXISTS', key) == 1 then
    return false
  end
  return stray(function() call('ZREM', P .. 'groups', group) end)
end

-- A group a step.
local function through_groups(at)
  local from = tonumber(at) or 0
  local group = call('ZRANGE', P .. 'groups', from, from)[1]
  if not group then
    return ''
  end
  return tostring(check_group(group) and from or from + 1)
end

-- What dead letters are causes of, though they are none.
local function through_causes(at)
  local reply = call('HSCAN', P .. 'causes', at == '' and '0' or at, 'COUNT', ask.limit)
  for i = 1, #reply[2], 2 do
    local id = reply[2][i]
    local job = load(id)
    if not job or not is_dead(id, dead_member(job)) then
      stray(function() call('HDEL', P .. 'causes', id) end)
    end
  end
  return reply[1] == '0' and '' or reply[1]
end

local function through_workers()
  for _, worker in ipairs(call('ZRANGE', P .. 'workers', 0, -1)) do
    for _, id in ipairs(call('SMEMBERS', P .. 'flight:' .. worker)) do
      local job = load(id)
      if not job or job.status ~= RUNNING or job.worker ~= worker then
        stray(function() call('SREM', P .. 'flight:' .. worker, id) end)
      end
    end
  end
  for _, id in ipairs(call('SMEMBERS', P .. 'stopping')) do
    local job = load(id)
    if not job or job.status ~= RUNNING or not job.stop then
      stray(function() call('SREM', P .. 'stopping', id) end)
    end
  end
  for _, name in ipairs(call('ZRANGE', P .. 'ticks', 0, -1)) do
    if call('HEXISTS', P .. 'schedules', name) == 0 then
      stray(function() call('ZREM', P .. 'ticks', name) end)
    end
  end
  return ''
end

-- How many jobs of each queue wait, counted anew; of very many nobody counts.
local function through_counts()
  local counts, stored = {}, call('HGETALL', P .. 'scheduled')
  if call('ZCARD', P .. 'due') > 4 * WHOLE then
    return ''
  end
  for _, member in ipairs(call('ZRANGE', P .. 'due', 0, -1)) do
    local queue = queue_of(sub(member, 23))
    counts[queue] = (counts[queue] or 0) + 1
  end
  for i = 1, #stored, 2 do
    counts[stored[i]] = counts[stored[i]] or 0
  end
  for queue, number in pairs(counts) do
    if number ~= tonumber(call('HGET', P .. 'scheduled', queue) or 0) then
      amiss('count', function()
        call('HDEL', P .. 'scheduled', queue)
        count_scheduled(queue, number)
      end)
    end
  end
  return ''
end

-- A list among those that are named in the set which was not read to its end, if there is one.
local function through_lists(set, prefix, read)
  return function()
    for _, name in ipairs(call('SMEMBERS', P .. set)) do
      if not read_since(P .. prefix .. name) then
        read(name)
        return 'more'
      end
    end
    return ''
  end
end

-- A page of records; but first the lists are read they should stand in.
local function through_jobs(at)
  local reply = call('HSCAN', JOB, at == '' and '0' or at, 'COUNT', ask.limit)
  local jobs = {}
  for i = 1, #reply[2], 2 do
    local job = opened(reply[2][i], reply[2][i + 1])
    if job then
      if reads_first(job) then
        return at == '' and '0' or at
      end
      jobs[#jobs + 1] = job
    end
  end
  for _, job in ipairs(jobs) do
    check(job)
  end
  write_histories()
  looked = #jobs
  return reply[1] == '0' and '' or reply[1]
end

local PHASES = {
  {'keeps', through_lists('keeps', 'ended:', read_ended)},
  {'jobs', through_jobs},
  {'lanes', through_lists('lanes', 'ready:', read_lane)},
  {'due', through_due},
  {'failed', through_status(FAILED)},
  {'retrying', through_status(RETRYING)},
  {'cancelled', through_status(CANCELLED)},
  {'dead', through_dead},
  {'groups', through_groups},
  {'causes', through_causes},
  {'workers', through_workers},
  {'counts', through_counts},
}

local phase, at = '', ''
for i, one in ipairs(PHASES) do
  if one[1] == ask.phase then
    phase, at = ask.phase, one[2](ask.at)
    if at == '' then
      phase = PHASES[i + 1] and PHASES[i + 1][1] or ''
    end
    break
  end
end
if phase == '' then
  call('DEL', ROLL)
else
  call('EXPIRE', ROLL, 600)
end
local amount = {}
for _, kind in ipairs(kinds) do
  amount[#amount + 1] = kind
  amount[#amount + 1] = found[kind]
end
return {phase, at, roll, looked, amount}
