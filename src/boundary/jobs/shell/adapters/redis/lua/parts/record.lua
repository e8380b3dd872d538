-- A job's record: static .. state.
--
--   static  B format  I4 length of static  I6 seq  I6 created  B lane length  B type length
--           lane (queue ":" priority)  job type  payload
--   state   B status  B ending  B flags (1: asked to stop, 2: parked)  B worker length
--           I2 retry count  i8 updated  i8 due  i8 completed  i8 prune_at
--           I4 token  I2 crashes  i8 execute_at  i8 started  I4 progress length
--           worker  progress  trail
--
-- The end of a run makes the first 38 bytes of the state anew and leaves the next 26 alone.
-- A job that is ready and was never touched has no state. records.py reads and writes the same.
--
-- What belongs here: between bytes and fields. What does not: where a job stands.

local HEAD = '>BI4I6I6BB' -- 19 bytes
local STATE = '>BBBBI2i8i8i8i8I4I2i8i8I4' -- 64 bytes

-- The fields of a record, or nil if it is not one of ours (any more).
local function opened(id, record)
  if not record or #record < 19 or byte(record) ~= FORMAT then
    return nil
  end
  local _, size, seq, created, lane, kind = unpacked(HEAD, record)
  if lane < 3 or size > #record or 19 + lane + kind > size or (#record > size and #record < size + 64) then
    return nil
  end
  local job = {
    id = id, static = sub(record, 1, size), seq = seq, created = created,
    lane = sub(record, 20, 19 + lane), kind = sub(record, 20 + lane, 19 + lane + kind),
  }
  if #record == size then
    job.status, job.ending, job.stop, job.parked, job.retry = PENDING, 0, false, false, 0
    job.updated, job.due, job.completed, job.prune = created, NONE, NONE, NONE
    job.token, job.crashes, job.execute, job.started = 0, 0, NONE, NONE
    job.worker, job.progress, job.trail = '', '', ''
    return job
  end
  local flags, worker, progress, at
  job.status, job.ending, flags, worker, job.retry, job.updated, job.due, job.completed,
    job.prune, job.token, job.crashes, job.execute, job.started, progress, at =
    unpacked(STATE, record, size + 1)
  job.stop, job.parked = flags % 2 == 1, flags >= 2
  job.worker = sub(record, at, at + worker - 1)
  job.progress = sub(record, at + worker, at + worker + progress - 1)
  job.trail = sub(record, at + worker + progress)
  return job
end

local function closed(job)
  local flags = (job.stop and 1 or 0) + (job.parked and 2 or 0)
  return job.static .. pack(STATE, job.status, job.ending, flags, #job.worker, job.retry,
    job.updated, job.due, job.completed, job.prune, job.token, job.crashes, job.execute,
    job.started, #job.progress) .. job.worker .. job.progress .. job.trail
end

local function static(seq, created, rest)
  return pack('>BI4I6I6', FORMAT, 17 + #rest, seq, created) .. rest
end

local function load(id)
  return opened(id, call('HGET', JOB, id))
end

local function store(job)
  call('HSET', JOB, job.id, closed(job))
end
