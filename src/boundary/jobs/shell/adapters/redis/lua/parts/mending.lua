-- What is amiss with where a job stands, by its record, and putting it right.
--
-- What belongs here: a record that the rest does not know of. What does not: entries without a
-- record (repair.lua).

local MEND -- false: only count
local found, kinds = {}, {}

-- Something of this kind is amiss, so often; `put_right` is what is done about it.
local function amiss(kind, put_right, number)
  if not found[kind] then
    found[kind] = 0
    kinds[#kinds + 1] = kind
  end
  found[kind] = found[kind] + (number or 1)
  if MEND then
    put_right()
  end
end

local function lane_belongs(lane)
  return function(one, job)
    return is_ready(job) and job.lane == lane and entry(job) == one
  end
end

local function ended_belongs(one, job)
  return is_finished(job) and ending(job) == one
end

local function count_left_behind(lane, number)
  if number > 0 then
    call('HSET', P .. 'stale', lane, number)
  else
    call('HDEL', P .. 'stale', lane)
  end
end

-- Entries of jobs that do not stand here are counted. More, or fewer: those without a job leave.
local function check_left_behind(lane, others)
  local counted = tonumber(call('HGET', P .. 'stale', lane) or 0)
  if counted and counted >= 0 and counted < #others then
    amiss('entry without a job', function() end, #others - counted)
  elseif counted ~= #others then
    -- Too many, or not a number at all: a hand may have written anything, one count is wrong.
    amiss('count', function() end, counted and math.min(math.abs(counted - #others), 1000) or 1)
  end
  if #others == counted or not MEND then
    return
  end
  local left = 0
  for _, one in ipairs(others) do
    local job = load(sub(one, 1, 16))
    if job and pack('>I6', job.seq) == sub(one, 17) and not lane_belongs(lane)(one, job) then
      left = left + 1
    else
      call('LREM', P .. 'ready:' .. lane, 1, one)
    end
  end
  count_left_behind(lane, left)
end

local function read_lane(lane)
  local key = P .. 'ready:' .. lane
  local others = read_on(key, 'R', true, lane_belongs(lane))
  if others then
    check_left_behind(lane, others)
  end
  if not read_since(key) then
    return
  end
  local listed = call('SISMEMBER', P .. 'lanes', lane) == 1
  local used = call('EXISTS', key) == 1
  if used and not listed then
    amiss('lane', function()
      call('SADD', P .. 'lanes', lane)
      wake(queue_of(lane))
    end)
  elseif listed and not used then
    amiss('lane', function() call('SREM', P .. 'lanes', lane) end)
  end
end

local function read_ended(keep)
  local key = P .. 'ended:' .. keep
  read_on(key, 'E', false, ended_belongs)
  if read_since(key) and call('EXISTS', key) == 1 and call('SISMEMBER', P .. 'keeps', keep) == 0 then
    amiss('retention', function() call('SADD', P .. 'keeps', keep) end)
  end
end

local function keep_of(job)
  return string.format('%d', math.max(job.prune - job.completed, 0))
end

local function stands_out_of_turn(job)
  return tonumber(call('ZSCORE', P .. 'ends', ending(job)) or nil) == job.prune
end

-- Whether it is in one of the lists of those to be pruned, if it is anywhere.
local function is_in_a_list(job)
  return is_finished(job) and job.prune ~= NONE and not stands_out_of_turn(job)
end

-- Read on in a list the job should stand in. Whether there was one that is not read yet.
local function reads_first(job)
  if is_ready(job) and not read_since(P .. 'ready:' .. job.lane) then
    read_lane(job.lane)
    return true
  elseif is_in_a_list(job) and not read_since(P .. 'ended:' .. keep_of(job)) then
    read_ended(keep_of(job))
    return true
  end
  return false
end

local function check_running(job)
  local known = job.worker ~= '' and call('ZSCORE', P .. 'workers', job.worker)
  if not known or call('SISMEMBER', P .. 'flight:' .. job.worker, job.id) == 0 then
    amiss('running', function()
      if job.worker == '' then
        job.worker = 'nobody'
        store(job)
      end
      -- Its lease has ended, if it has none: it is taken back as from any lost worker.
      hold_until(job.worker, now)
      call('SADD', P .. 'flight:' .. job.worker, job.id)
    end)
  end
  if job.stop and call('SISMEMBER', P .. 'stopping', job.id) == 0 then
    amiss('stopping', function() call('SADD', P .. 'stopping', job.id) end)
  end
end

local function check_waiting(job)
  if job.due == NONE then
    amiss('due', function() set_waiting(job, job.status, now) end)
    return
  end
  local score = call('ZSCORE', P .. 'due', due_member(job))
  if tonumber(score or nil) ~= job.due then
    amiss('due', function()
      call('ZADD', P .. 'due', job.due, due_member(job))
      if not score then
        count_scheduled(queue_of(job.lane), 1)
      end
    end)
  end
end

-- One that became ready after its lane was read is not in the roll, and need not be.
local function check_ready(job)
  if job.updated < read_since(P .. 'ready:' .. job.lane) and not is_marked('R', job.seq) then
    amiss('ready', function()
      line_up(job.lane, {entry(job)})
      mark('R', {job.seq})
    end)
  end
end

local function check_dead(job)
  local member, group = dead_member(job), call('HGET', P .. 'causes', job.id)
  local known = group and call('ZSCORE', P .. 'dead', member)
    and call('ZSCORE', P .. 'cause:' .. group, member) and call('ZSCORE', P .. 'groups', group)
  if not known then
    amiss('dead letter', function()
      note_dead(job, group and string.match(group, '^.-|.-|(.*)$'))
    end)
  end
end

local histories = {}

local function history_of(kind)
  if not histories[kind] then
    local entries = call('LRANGE', P .. 'history:' .. kind, 0, -1)
    histories[kind] = {number = #entries, has = {}, missing = {}}
    for _, one in ipairs(entries) do
      histories[kind].has[one] = true
    end
  end
  return histories[kind]
end

-- Of a type with a full history an old end may rightly be forgotten.
local function check_history(job)
  local history = history_of(job.kind)
  if not history.has[ending(job)] and history.number < HISTORY then
    history.number = history.number + 1
    amiss('history', function() table.insert(history.missing, job) end)
  end
end

local function write_histories()
  for kind, history in pairs(histories) do
    local last, entries = table.remove(history.missing), {}
    for i, job in ipairs(history.missing) do
      entries[i] = ending(job)
    end
    if #entries > 0 then
      add_to_history(kind, entries)
    end
    if last then
      join_history(last)
    end
  end
end

local function check_finished(job)
  if EVENTS[job.ending].dead then
    check_dead(job)
  end
  check_history(job)
  if is_in_a_list(job) and job.completed < read_since(P .. 'ended:' .. keep_of(job))
      and not is_marked('E', job.seq) then
    amiss('retention', function()
      if call('SISMEMBER', P .. 'keeps', keep_of(job)) == 1 then
        retain(keep_of(job), {ending(job)})
        mark('E', {job.seq})
      else
        retain_out_of_turn(job)
      end
    end)
  end
end

local function check_log(job)
  local piece = piece_of(job.seq)
  local key, at = P .. 'log:' .. piece, job.seq % PIECE * 16
  if call('GETRANGE', key, at, at + 15) ~= job.id or call('SISMEMBER', P .. 'pieces', piece) == 0 then
    amiss('log', function()
      call('SETRANGE', key, at, job.id)
      call('SADD', P .. 'pieces', piece)
    end)
  end
end

local function check(job)
  if job.status == RUNNING then
    check_running(job)
  elseif job.due ~= NONE or job.status == RETRYING then
    check_waiting(job)
  elseif is_finished(job) then
    check_finished(job)
  elseif is_ready(job) then
    check_ready(job)
  end
  if job.status >= FAILED and not call('ZSCORE', P .. 'status:' .. job.status, job.id) then
    amiss('status', function() call('ZADD', P .. 'status:' .. job.status, job.seq, job.id) end)
  end
  check_log(job)
end
