-- A worker ends its hold on jobs.
--
-- An outcome: 16 bytes id, I4 token, B event, I2 retry count, i8 delay, i8 keep (NONE: for good),
-- d duration in ms, I4 trail length, trail.
--
-- What belongs here: accepting outcomes. What does not: taking new jobs (claiming.lua).

local OUTCOME = '>c16c4BI2i8i8dI4'

local function read_outcomes(blob)
  local outcomes, ids, at = {}, {}, 1
  while at <= #blob do
    local one, trail = {}, nil
    one.id, one.token, one.event, one.retry, one.delay, one.keep, one.duration, trail, at =
      unpacked(OUTCOME, blob, at)
    one.trail = sub(blob, at, at + trail - 1)
    at = at + trail
    outcomes[#outcomes + 1], ids[#ids + 1] = one, one.id
  end
  return outcomes, ids
end

-- Where the state begins in the record, if the job runs here under that token.
local function held_at(record, worker, token)
  if not record or byte(record) ~= FORMAT then
    return nil
  end
  local size = unpacked('>I4', record, 2)
  if #record >= size + 64 and byte(record, size + 1) == RUNNING
      and sub(record, size + 38, size + 41) == token
      and sub(record, size + 65, size + 64 + byte(record, size + 60)) == worker then
    return size
  end
  return nil
end

-- What a batch of jobs that end has in common, gathered so that it is written by few commands.
local function new_batch()
  return {gone = {}, pairs = {}, history = {}, ended = {}, counts = {}, told = {}, pieces = {},
    dropped = {}, heads = {}}
end

local function group(groups, key, value)
  local one = groups[key]
  if not one then
    one = {}
    groups[key] = one
  end
  one[#one + 1] = value
end

local function add_up(batch, queue, counter, duration)
  local key = queue .. COUNTER[counter]
  local one = batch.counts[key]
  if not one then
    one = {queue = queue, counter = counter, number = 0, duration = 0}
    batch.counts[key] = one
  end
  one.number, one.duration = one.number + 1, one.duration + duration
end

-- The job reaches its end. Only what changes of its state is made anew.
local function finish(batch, record, size, one, event)
  local rule = EVENTS[event]
  local seq = sub(record, 6, 11)
  batch.told[#batch.told + 1] = one.id
  if one.keep == 0 then
    batch.dropped[#batch.dropped + 1] = one.id
    local piece = piece_of(unpacked('>I6', seq))
    batch.pieces[piece] = (batch.pieces[piece] or 0) + 1
    return
  end
  local like = event .. ':' .. one.retry .. ':' .. one.keep
  local head = batch.heads[like]
  if not head then
    head = pack('>BBBI2i8i8i8i8', rule.status, event, 0, one.retry, now, NONE, now,
      one.keep == NONE and NONE or now + one.keep)
    batch.heads[like] = head
  end
  local progress = unpacked('>I4', record, size + 61)
  local report = ''
  if progress > 0 then
    local at = size + 65 + byte(record, size + 60)
    report = sub(record, at, at + progress - 1)
  end
  local n = #batch.pairs
  batch.pairs[n + 1] = one.id
  batch.pairs[n + 2] = sub(record, 1, size) .. head .. sub(record, size + 38, size + 59)
    .. '\0' .. sub(record, size + 61, size + 64) .. report .. one.trail
  local lane, kind = byte(record, 18), byte(record, 19)
  group(batch.history, sub(record, 20 + lane, 19 + lane + kind), one.id .. seq)
  if one.keep ~= NONE then
    group(batch.ended, one.keep, one.id .. sub(head, 30))
  end
  if rule.dead or rule.status >= FAILED then
    note_status({id = one.id, seq = unpacked('>I6', seq), status = rule.status, completed = now},
      rule.dead)
  end
end

-- The job does not end: it waits again.
local function go_on(record, one, event)
  local job = opened(one.id, record)
  job.retry, job.trail, job.updated, job.stop = one.retry, one.trail, now, false
  if event == RELEASE and one.delay == 0 then
    set_ready(job, 'RPUSH')
  else
    set_waiting(job, EVENTS[event].status, now + one.delay)
  end
end

local function write(batch, worker)
  for kind, entries in pairs(batch.history) do
    add_to_history(kind, entries)
  end
  for keep, entries in pairs(batch.ended) do
    retain(keep, entries)
  end
  for _, one in pairs(batch.counts) do
    count(one.queue, one.counter, one.number, one.duration)
  end
  if #batch.pairs > 0 then
    call('HSET', JOB, unpack(batch.pairs))
  end
  if #batch.dropped > 0 then
    call('HDEL', JOB, unpack(batch.dropped))
    forget_in_log(batch.pieces)
  end
  if #batch.gone > 0 then
    call('SREM', P .. 'flight:' .. worker, unpack(batch.gone))
  end
  told('result', batch.told)
end

-- Returns which were accepted, as ones and zeros; empty: all.
local function settle(worker, blob)
  local outcomes, ids = read_outcomes(blob)
  if #ids == 0 then
    return ''
  end
  local records = call('HMGET', JOB, unpack(ids))
  local batch, accepted, seen, all = new_batch(), {}, {}, true
  for i = 1, #outcomes do
    local one, record = outcomes[i], records[i]
    local size = not seen[one.id] and held_at(record, worker, one.token)
    accepted[i] = size and '1' or '0'
    if size then
      seen[one.id] = true
      batch.gone[#batch.gone + 1] = one.id
      local event = one.event
      if byte(record, size + 3) % 2 == 1 then
        call('SREM', P .. 'stopping', one.id)
        event = EVENTS[event].stopped
      end
      local rule = EVENTS[event]
      if rule.counter then
        local lane = byte(record, 18)
        add_up(batch, sub(record, 20, 17 + lane), rule.counter, one.duration)
      end
      if rule.finished then
        finish(batch, record, size, one, event)
      else
        go_on(record, one, event)
      end
    else
      all = false
    end
  end
  write(batch, worker)
  return all and '' or table.concat(accepted)
end
