-- A worker takes jobs.
--
-- Between an entry that is popped and the record that says who has the job, nothing may end the script: it
-- would be in no place. What can be asked before is; a key of another type, which another program put
-- there, is asked by `try`, and costs what stands in it. It is told of once there is nothing else to give.
--
-- What belongs here: the claim. What does not: ending a run (settling.lua).

-- The state of a job that runs for the first time; written once for many.
local function first_run(worker)
  return pack(STATE, RUNNING, 0, 0, #worker, 0, now, NONE, NONE, NONE, 1, 0, NONE, now, 0) .. worker
end

-- A record nobody can read is set aside with its bytes and its lane; `retry` brings it back.
local function set_aside(id, lane, record, out)
  local said = try('HSET', P .. 'broken', id, string.char(#lane) .. lane .. record)
  if type(said) == 'table' then
    out.problem = said
    return false
  end
  call('HDEL', JOB, id)
  local counted, problem = pcall(count, queue_of(lane), 'unreadable', 'failed', 1, 0, 0)
  if not counted then
    out.problem = problem
  end
  return true
end

-- Those of the lane nobody can read; what cannot be set aside is where it was. How many these are.
local function set_all_aside(broken, lane, out)
  local kept = 0
  for i = #broken, 1, -1 do
    local one = broken[i]
    if not set_aside(one.id, lane, one.record, out) then
      call('RPUSH', P .. 'ready:' .. lane, one.entry)
      kept = kept + 1
    end
  end
  return kept
end

-- The record of a job that is taken, if it is there to be taken.
local function taken(id, record, entry, lane, worker)
  local job = opened(id, record)
  if record and not job then
    return nil, {id = id, record = record, entry = entry}
  elseif not job or not is_ready(job) or job.lane ~= lane
      or pack('>I6', job.seq) ~= sub(entry, 17) then
    return nil
  end
  job.status, job.updated, job.started, job.token = RUNNING, now, now, job.token + 1
  job.worker, job.progress, job.stop = worker, '', false
  return closed(job)
end

-- Whether a job of this lane was never touched. Told without opening the record, and for certain:
-- whatever bytes are there instead of a record must not pass.
local function is_untouched(record, lane)
  return record and #record >= 20 + #lane and byte(record) == FORMAT
    and unpacked('>I4', record, 2) == #record and byte(record, 18) == #lane
    and sub(record, 20, 19 + #lane) == lane and #record >= 19 + #lane + byte(record, 19)
end

-- Up to `room` jobs of the lane join `out`. How many entries of the lane were left behind.
local function take(lane, room, worker, out)
  local key, first, passed = P .. 'ready:' .. lane, first_run(worker), 0
  local ids, written, unreadable = out.ids, out.written, {}
  -- Nothing was taken from the middle of this lane: each entry is a job that is ready.
  local sound = not call('HGET', P .. 'stale', lane)
  while room > 0 do
    local asked = math.min(room, 250)
    local entries = try('RPOP', key, asked) or {}
    if entries.err then
      out.problem = entries
      return 0
    end
    local found = {}
    for i = 1, #entries do
      found[i] = sub(entries[i], 1, 16)
    end
    local records = #found > 0 and try('HMGET', JOB, unpack(found)) or {}
    if records.err then
      for i = #entries, 1, -1 do
        call('RPUSH', key, entries[i])
      end
      out.problem = records
      return 0
    end
    for i = 1, #found do
      local record, id, new, broken = records[i], found[i], nil, nil
      if sound and is_untouched(record, lane) then
        new = record .. first
      else
        new, broken = taken(id, record, entries[i], lane, worker)
      end
      if new then
        local n = #ids + 1
        ids[n], written[2 * n - 1], written[2 * n] = id, id, new
        room = room - 1
      elseif broken then
        unreadable[#unreadable + 1] = broken
      else
        passed = passed + 1
      end
    end
    if #entries < asked or out.passed + passed + #unreadable >= MOST_PASSED then
      break
    end
  end
  out.passed = out.passed + passed + #unreadable
  local kept = #unreadable > 0 and set_all_aside(unreadable, lane, out) or 0
  local behind = call('LLEN', key)
  if behind == 0 then
    call('SREM', P .. 'lanes', lane)
  end
  if passed > 0 then
    local left = try('HINCRBY', P .. 'stale', lane, -passed)
    -- An error: a hand wrote no number there, which a repair finds (mending.lua).
    if type(left) == 'number' and left <= 0 then
      call('HDEL', P .. 'stale', lane)
    end
  end
  return behind - kept
end

-- The queues that have entries: by name, and in the order of a worker that serves all of them.
local function lanes_with_entries()
  local has, order, known = {}, {}, {}
  for _, lane in ipairs(call('SMEMBERS', P .. 'lanes')) do
    has[lane] = true
    local queue = queue_of(lane)
    if not known[queue] then
      known[queue] = true
      order[#order + 1] = queue
    end
  end
  table.sort(order, function(a, b)
    if (a == DEFAULT) ~= (b == DEFAULT) then
      return a == DEFAULT
    end
    return a < b
  end)
  return has, order
end

local function pick(ask, out)
  local has, order = lanes_with_entries()
  if #order == 0 then
    return
  end
  local ahead, limits, served = ask.ahead or {}, ask.limits or {}, {}
  for _, queue in ipairs(ask.queues or order) do
    local paused = call('SISMEMBER', P .. 'paused', queue) == 1
    if not paused and not served[queue] then
      served[queue] = true
      local behind = 0
      local most = #out.ids + (limits[queue] or math.huge)
      for priority = 0, 3 do
        local lane = queue .. ':' .. priority
        if has[lane] and out.passed >= MOST_PASSED then
          behind = behind + 1 -- the order of lanes holds: none is taken before one that was cut short
        elseif has[lane] then
          local room = math.min(ask.slots + (ahead[queue] or 0), most) - #out.ids
          if room > 0 then
            behind = behind + take(lane, room, ask.worker, out)
          else
            behind = behind + 1
          end
        end
      end
      if behind > 0 then
        local woken, problem = pcall(wake, queue)
        if not woken then
          out.problem = problem
        end
      end
    end
  end
end

local function first_of(key)
  local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return first[2] and tonumber(first[2])
end

-- Schedules whose tick is due (schedules.lua).
local function due_ticks()
  local found = {}
  local names = call('ZRANGE', P .. 'ticks', '-inf', now, 'BYSCORE', 'WITHSCORES')
  for i = 1, #names, 2 do
    found[#found + 1] = schedule(names[i], names[i + 1])
  end
  table.sort(found, function(a, b) return a[1] < b[1] end)
  return found
end

-- Nothing but entries was taken yet: the jobs stand where they stood.
local function put_back(out)
  for n = #out.ids, 1, -1 do
    local record = out.written[2 * n]
    local lane = sub(record, 20, 19 + byte(record, 18))
    call('RPUSH', P .. 'ready:' .. lane, out.ids[n] .. sub(record, 6, 11))
    call('SADD', P .. 'lanes', lane)
  end
end

-- The jobs of `out` are the worker's.
local function hold(worker, out)
  for i = 1, #out.ids, 250 do
    local last = math.min(i + 249, #out.ids)
    local said = try('SADD', P .. 'flight:' .. worker, unpack(out.ids, i, last))
    if type(said) == 'table' then -- with the first of them, or never
      put_back(out)
      error(said)
    end
    call('HSET', JOB, unpack(out.written, 2 * i - 1, 2 * last))
  end
end

-- The reply: now, alive, next due (or -1), ids asked to stop, due ticks, the jobs (id, record, id,
-- record), and whether somebody watches. A foreign key is told of by a claim that is not quiet.
local function claim(ask)
  local expires = tonumber(call('ZSCORE', P .. 'workers', ask.worker) or nil)
  if not expires and not ask.join then
    return {now, 0, -1, '', {}, {}, 0}
  end
  -- While half of a lease is left a claim leaves it alone (operations.lease_end).
  if not expires or 2 * (expires - now) < ask.lease then
    call('ZADD', P .. 'workers', now + ask.lease, ask.worker)
  end
  local out = {ids = {}, written = {}, passed = 0}
  if ask.promote > 0 then
    out.problem = select(2, promote(ask.promote))
  end
  local stopped = stopping(ask.worker)
  local tick = first_of(P .. 'ticks')
  local ticks = (tick and tick <= now) and due_ticks() or {}
  local due = ask.promote > 0 and first_of(P .. 'due') or nil
  local soonest = math.min(tick or math.huge, due or math.huge)
  pick(ask, out)
  hold(ask.worker, out)
  if out.passed >= MOST_PASSED then
    soonest = now
  end
  if out.problem and #out.ids == 0 and #ticks == 0 and not ask.quiet then
    error(out.problem)
  end
  return {now, 1, soonest == math.huge and -1 or soonest, stopped, ticks, out.written, watched()}
end
