-- Where jobs stand: ready in a lane, waiting for an instant, running, or at their end.
--
-- An entry of a lane is the job's id and seq. A job that leaves a lane from its middle leaves its
-- entry behind (a list cannot be searched for free): whoever comes to it sees that the job is not
-- there any more, and passes over it. `stale` counts such entries, lane by lane.
--
-- What belongs here: moving jobs between places, with all that is kept beside the record.
-- What does not: why a job moves.

-- So many entries without a job one call passes over (of a list, in a prune): what very many cancelled or
-- deleted jobs left behind must not hold up the server. The next call goes on from there.
local MOST_PASSED = 10000

local function entry(job)
  return job.id .. pack('>I6', job.seq)
end

local function is_finished(job)
  return job.ending ~= 0
end

local function is_ready(job)
  return job.status == PENDING and job.due == NONE and not job.parked
end

local function due_member(job)
  return pack('>I6', job.seq) .. job.id .. job.lane
end

local function count_scheduled(queue, by)
  if call('HINCRBY', P .. 'scheduled', queue, by) <= 0 then
    call('HDEL', P .. 'scheduled', queue)
  end
end

-- The record is no more; the job must have been lifted.
local function drop(job)
  call('HDEL', JOB, job.id)
  forget_in_log({[piece_of(job.seq)] = 1})
end

-- Dead letters of one cause in one queue are a group; its name is queue, type and cause.
local function dead_member(job)
  return pack('>I6', job.seq) .. job.id
end

local function note_dead(job, cause)
  if not cause or cause == '' then
    cause = EVENTS[job.ending].cause .. ':' .. job.kind
  end
  local group = queue_of(job.lane) .. '|' .. job.kind .. '|' .. cause
  call('ZADD', P .. 'dead', job.completed, dead_member(job))
  call('ZADD', P .. 'cause:' .. group, job.completed, dead_member(job))
  call('ZADD', P .. 'groups', 'GT', job.completed, group)
  call('HSET', P .. 'causes', job.id, group)
end

local function forget_dead(job)
  call('ZREM', P .. 'dead', dead_member(job))
  local group = call('HGET', P .. 'causes', job.id)
  if not group then
    return
  end
  call('HDEL', P .. 'causes', job.id)
  call('ZREM', P .. 'cause:' .. group, dead_member(job))
  local last = call('ZRANGE', P .. 'cause:' .. group, 0, 0, 'REV', 'WITHSCORES')
  if last[2] then
    call('ZADD', P .. 'groups', last[2], group)
  else
    call('ZREM', P .. 'groups', group)
  end
end

-- The job stands nowhere. `eagerly`: leaves no entry behind in its lane.
local function lift(job, eagerly)
  if job.status == RUNNING then
    call('SREM', P .. 'flight:' .. job.worker, job.id)
    if job.stop then
      call('SREM', P .. 'stopping', job.id)
    end
  elseif job.due ~= NONE then
    call('ZREM', P .. 'due', due_member(job))
    count_scheduled(queue_of(job.lane), -1)
  elseif is_finished(job) then
    if EVENTS[job.ending].dead then
      forget_dead(job)
    end
  elseif is_ready(job) then
    if not (eagerly and call('LREM', P .. 'ready:' .. job.lane, 1, entry(job)) == 1) then
      call('HINCRBY', P .. 'stale', job.lane, 1)
    elseif call('EXISTS', P .. 'ready:' .. job.lane) == 0 then
      call('SREM', P .. 'lanes', job.lane)
    end
  end
  if job.status >= FAILED then
    call('ZREM', P .. 'status:' .. job.status, job.id)
  end
end

local function set_ready(job, command)
  job.status, job.due, job.worker, job.parked = PENDING, NONE, '', false
  line_up(job.lane, {entry(job)}, command)
  store(job)
end

-- `status`: pending or retrying.
local function set_waiting(job, status, due)
  job.status, job.due, job.execute, job.worker, job.parked = status, due, due, '', false
  call('ZADD', P .. 'due', due, due_member(job))
  count_scheduled(queue_of(job.lane), 1)
  if status == RETRYING then
    call('ZADD', P .. 'status:' .. status, job.seq, job.id)
  end
  store(job)
end

-- Once at its end, a job may be told of by these.
local HISTORY = 1000 -- ends of a type that are remembered

local function add_to_history(kind, entries)
  local key = P .. 'history:' .. kind
  if call('LPUSH', key, unpack(entries)) > HISTORY + 250 then
    call('LTRIM', key, 0, HISTORY - 1)
  end
end

-- An end of a job, in a history and in a list of those to be pruned: its id and the instant until
-- which it is kept, so that it is told from an earlier end of the same job.
local function ending(job)
  return job.id .. pack('>i8', job.prune)
end

-- Jobs that are kept equally long end in the order in which they will be pruned.
local function retain(keep, entries)
  keep = string.format('%d', keep)
  call('SADD', P .. 'keeps', keep)
  call('RPUSH', P .. 'ended:' .. keep, unpack(entries))
end

local function note_status(job, cause)
  if EVENTS[job.ending].dead then
    note_dead(job, cause)
  end
  if job.status >= FAILED then
    call('ZADD', P .. 'status:' .. job.status, job.seq, job.id)
  end
end

-- `keep` in ms; NONE: for good, 0: not at all.
local function set_finished(job, event, keep)
  if keep == 0 then
    return drop(job)
  end
  local rule = EVENTS[event]
  job.status, job.ending, job.completed, job.due = rule.status, event, now, NONE
  job.worker, job.stop, job.parked = '', false, false
  job.prune = keep == NONE and NONE or now + keep
  add_to_history(job.kind, {ending(job)})
  if keep ~= NONE then
    retain(keep, {ending(job)})
  end
  note_status(job)
  store(job)
end

-- A dead letter gets a full new budget; it must have been lifted.
local function start_anew(job)
  job.retry, job.crashes, job.ending, job.updated = 0, 0, 0, now
  job.execute, job.completed, job.prune = NONE, NONE, NONE
end

local COUNTER = {succeeded = ':s', failed = ':f', retried = ':r'}

local DAY = 86400000
local MOST = '9223372036854775807' -- what the server can count to

-- A sum that would come to more stays there: in ns that is 292 years, which a thousand slots work in four
-- months, and no outcome may be refused for its statistics.
local function add_duration(key, field, by)
  local said = try('HINCRBY', key, field, by)
  if type(said) == 'table' then
    if not string.find(said.err, 'overflow', 1, true) then
      error(said)
    end
    call('HSET', key, field, MOST)
  end
end

-- In all, in this minute and in this hour. Durations are counted in ns, waits in ms: whole numbers
-- add up exactly.
local function count(queue, kind, counter, number, duration, wait)
  local all = P .. 'counters'
  local minutes, hours = P .. 'minutes:' .. math.floor(now / 3600000), P .. 'hours:' .. math.floor(now / DAY)
  local name = '|' .. queue .. '|' .. kind
  local minute = string.format('%d', now - now % 60000) .. name
  local hour = string.format('%d', now - now % 3600000) .. name

  local function add(field, by)
    call('HINCRBY', all, queue .. field, by)
    call('HINCRBY', hours, hour .. field, by)
    return call('HINCRBY', minutes, minute .. field, by)
  end

  if add(COUNTER[counter], number) == number then
    -- The first of its minute; so whoever makes these keys comes here.
    call('EXPIRE', minutes, 90000) -- a day and an hour
    call('EXPIRE', hours, 2682000) -- 31 days and an hour
  end
  if duration > 0 then
    local ns = string.format('%.0f', duration * 1000000)
    add_duration(all, queue .. ':d', ns)
    add_duration(hours, hour .. ':d', ns)
    add_duration(minutes, minute .. ':d', ns)
  end
  if wait > 0 then
    add(':w', wait)
  end
end

local function told(topic, ids)
  if #ids > 0 then
    call('PUBLISH', P .. topic, table.concat(ids))
  end
end

-- A job leaves its worker unfinished: to the head of its lane, or to its end. It must be lifted.
local function give_back(job, event, keep)
  if job.stop then
    event = EVENTS[event].stopped
  end
  local rule = EVENTS[event]
  if rule.counter then
    count(queue_of(job.lane), job.kind, rule.counter, 1, 0, 0)
  end
  job.updated, job.stop = now, false
  if rule.finished then
    set_finished(job, event, keep)
    told('result', {job.id})
  else
    set_ready(job, 'RPUSH')
  end
end

local function latest_first(jobs)
  table.sort(jobs, function(a, b) return a.seq > b.seq end)
  return jobs
end

-- All jobs this worker holds, or any `most` of them.
local function held_by(worker, most)
  local key, jobs = P .. 'flight:' .. worker, {}
  for _, id in ipairs(most and call('SRANDMEMBER', key, most) or call('SMEMBERS', key)) do
    local job = load(id)
    if job and job.worker == worker then
      jobs[#jobs + 1] = job
    else
      call('SREM', key, id)
    end
  end
  return jobs
end

local function forget_worker(worker)
  call('ZREM', P .. 'workers', worker)
  call('HDEL', P .. 'info', worker)
  call('HDEL', P .. 'orders', worker)
end

-- The worker's hold ends no sooner than this.
local function hold_until(worker, expires)
  local had = tonumber(call('ZSCORE', P .. 'workers', worker) or NONE)
  if expires > had then
    call('ZADD', P .. 'workers', expires, worker)
  end
end

-- The latest order given to this worker: 16 bytes id, then the word; '': none.
local function order_of(worker)
  return call('HGET', P .. 'orders', worker) or ''
end

-- Of the jobs this worker holds, those that were asked to stop.
local function stopping(worker)
  local ids = {}
  for _, id in ipairs(call('SMEMBERS', P .. 'stopping')) do
    if call('SISMEMBER', P .. 'flight:' .. worker, id) == 1 then
      ids[#ids + 1] = id
    end
  end
  return table.concat(ids)
end

-- Up to `limit` jobs whose instant has come are at the tail of their lanes. Those of a key that is no
-- lane wait on: places before records. How many have left, and the server's error about others.
local function promote(limit)
  local members = call('ZRANGE', P .. 'due', '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)
  local order, lanes = {}, {}
  for _, member in ipairs(members) do
    local lane = sub(member, 23)
    local here = lanes[lane]
    if not here then
      here = {members = {}, jobs = {}, entries = {}}
      lanes[lane], order[#order + 1] = here, lane
    end
    table.insert(here.members, member)
    local job = load(sub(member, 7, 22))
    if job and job.due ~= NONE and due_member(job) == member then
      table.insert(here.jobs, job)
      table.insert(here.entries, entry(job))
    end
  end
  local left, problem = 0, nil
  for _, lane in ipairs(order) do
    local here = lanes[lane]
    local refused = #here.jobs > 0 and put_in_lane(lane, here.entries)
    if refused then
      problem = refused
    else
      for _, job in ipairs(here.jobs) do
        if job.status == RETRYING then
          local gone = try('ZREM', P .. 'status:' .. job.status, job.id)
          problem = type(gone) == 'table' and gone or problem -- only a search misses it
        end
        job.status, job.due, job.updated = PENDING, NONE, now
        store(job)
      end
      call('ZREM', P .. 'due', unpack(here.members))
      count_scheduled(queue_of(lane), -#here.members)
      left = left + #here.members
      if #here.jobs > 0 then
        wake(queue_of(lane))
      end
    end
  end
  return left, problem
end
