-- A worker ends its hold on jobs.
--
-- Outcomes come in groups that are alike: {event, retry, delay?, keep?, cause?} (no keep: for good), and for
-- each job of the group 16 bytes id, I4 token, d duration in ms, I4 wait in ms, I4 trail length, trail.
--
-- What belongs here: accepting outcomes. What does not: taking new jobs (claiming.lua).

local OUTCOME = '>c16c4dI4I4'

-- Where the state begins in the record, if the job runs here under that token.
local function held_at(record, worker, token)
  if not record or byte(record) ~= FORMAT then
    return nil
  end
  local size = unpacked('>I4', record, 2)
  if #record >= size + 64 and byte(record, size + 1) == RUNNING
      and sub(record, size + 39, size + 42) == token
      and sub(record, size + 65, size + 64 + byte(record, size + 4)) == worker then
    return size
  end
  return nil
end

-- What is written once for all jobs of a call.
local function new_batch()
  return {gone = {}, written = {}, history = {}, counts = {}, told = {}, pieces = {}, dropped = {}}
end

-- `name`: of a record the bytes from the lane length to the end of the job type.
local function add_up(batch, name, counter, duration, wait)
  local counts = batch.counts[counter]
  if not counts then
    counts = {}
    batch.counts[counter] = counts
  end
  local sum = counts[name]
  if sum then
    sum[1], sum[2], sum[3] = sum[1] + 1, sum[2] + duration, sum[3] + wait
  else
    counts[name] = {1, duration, wait}
  end
end

-- The jobs of a group that ends are written alike: what of their state is the same, and until when
-- they are kept.
local function like(group)
  local rule = EVENTS[group.event]
  local keep = group.keep or NONE
  local prune = pack('>i8', keep == NONE and NONE or now + keep)
  return {rule = rule, event = group.event, cause = group.cause, keep = keep, prune = prune, ended = {},
    head = pack('>BBBBI2i8i8i8', rule.status, group.event, 0, 0, group.retry, now, NONE, now)
      .. prune}
end

-- The job reaches its end. Only what changes of its state is made anew.
local function finish(batch, alike, id, record, size, trail)
  batch.told[#batch.told + 1] = id
  if alike.keep == 0 then
    batch.dropped[#batch.dropped + 1] = id
    local piece = piece_of(unpacked('>I6', record, 6))
    batch.pieces[piece] = (batch.pieces[piece] or 0) + 1
    return
  end
  local n, progress = #batch.written, sub(record, size + 61, size + 64)
  local report = ''
  if progress ~= '\0\0\0\0' then
    local at = size + 65 + byte(record, size + 4)
    report = sub(record, at, at + unpacked('>I4', progress) - 1)
  end
  batch.written[n + 1] = id
  batch.written[n + 2] = sub(record, 1, size) .. alike.head .. sub(record, size + 39, size + 64)
    .. report .. trail
  local lane, kind = byte(record, 18, 19)
  local name = sub(record, 20 + lane, 19 + lane + kind)
  local history = batch.history[name]
  if not history then
    history = {}
    batch.history[name] = history
  end
  local ended = id .. alike.prune
  history[#history + 1] = ended
  alike.ended[#alike.ended + 1] = ended
  if alike.rule.status >= FAILED then
    note_status({id = id, seq = unpacked('>I6', record, 6), status = alike.rule.status,
      ending = alike.event, lane = sub(record, 20, 19 + lane), kind = name, completed = now}, alike.cause)
  end
end

-- The job does not end: it waits again.
local function go_on(group, event, id, record, trail)
  local job = opened(id, record)
  job.retry, job.trail, job.updated, job.stop = group.retry, trail, now, false
  if event == RELEASE and (group.delay or 0) == 0 then
    set_ready(job, 'RPUSH')
  else
    set_waiting(job, EVENTS[event].status, now + (group.delay or 0))
  end
end

local function write(batch, worker)
  for kind, entries in pairs(batch.history) do
    add_to_history(kind, entries)
  end
  for counter, counts in pairs(batch.counts) do
    for name, sum in pairs(counts) do
      local lane = sub(name, 3, 2 + byte(name))
      count(queue_of(lane), sub(name, 3 + #lane), counter, sum[1], sum[2], sum[3])
    end
  end
  if #batch.written > 0 then
    call('HSET', JOB, unpack(batch.written))
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

-- The ids of a group's jobs, in order.
local function ids_of(blob)
  local ids, at, trail = {}, 1, nil
  while at <= #blob do
    ids[#ids + 1] = sub(blob, at, at + 15)
    trail, at = unpacked('>I4', blob, at + 32)
    at = at + trail
  end
  return ids
end

-- One group. Adds ones and zeros (which were accepted) to `accepted`.
local function settle_group(group, blob, worker, batch, seen, accepted)
  local ids = ids_of(blob)
  local records, at = call('HMGET', JOB, unpack(ids)), 1
  local alike, stopped = like(group), nil
  for i = 1, #ids do
    local id, token, duration, wait, trail
    id, token, duration, wait, trail, at = unpacked(OUTCOME, blob, at)
    local record = records[i]
    local size = not seen[id] and held_at(record, worker, token)
    accepted[#accepted + 1] = size and '1' or '0'
    if size then
      seen[id] = true
      batch.gone[#batch.gone + 1] = id
      local event, ending = group.event, alike
      if byte(record, size + 3) % 2 == 1 then
        call('SREM', P .. 'stopping', id)
        event = EVENTS[event].stopped
        stopped = stopped or like({event = event, retry = group.retry, keep = group.keep,
          cause = group.cause})
        ending = stopped
      end
      local text = trail > 0 and sub(blob, at, at + trail - 1) or ''
      if ending.rule.counter then
        local lane, kind = byte(record, 18, 19)
        add_up(batch, sub(record, 18, 19 + lane + kind), ending.rule.counter, duration, wait)
      end
      if ending.rule.finished then
        finish(batch, ending, id, record, size, text)
      else
        go_on(group, event, id, record, text)
      end
    end
    at = at + trail
  end
  for _, one in ipairs({alike, stopped}) do
    if one.keep ~= NONE and #one.ended > 0 then
      retain(one.keep, one.ended)
    end
  end
end

-- Returns which were accepted, as ones and zeros, group by group; empty: all.
local function settle(worker, groups, first)
  local batch, accepted, seen = new_batch(), {}, {}
  for number, group in ipairs(groups) do
    settle_group(group, ARGV[first + number - 1], worker, batch, seen, accepted)
  end
  write(batch, worker)
  local flags = table.concat(accepted)
  return string.find(flags, '0', 1, true) and flags or ''
end
