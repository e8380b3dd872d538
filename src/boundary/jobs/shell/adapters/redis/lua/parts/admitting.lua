-- A new job comes in, whatever it waits for.
--
-- A job on its way in: 16 bytes id, a letter (r ready, d after so many ms, a at that instant,
-- p parked), for d and a an i8, then what its record has from the lane length on.
--
-- What belongs here: storing one and putting it in its place. What does not: many that are alike
-- (enqueue.lua).

local function read_new(text)
  local new = {id = sub(text, 1, 16), how = sub(text, 17, 17)}
  if new.how == 'd' or new.how == 'a' then
    new.when = unpacked('>i8', text, 18)
    new.rest = sub(text, 26)
  else
    new.rest = sub(text, 18)
  end
  return new
end

-- A parked job starts to wait: what it was asked to do stays, where it waits is said anew.
local function move(job, rest)
  local lane = sub(rest, 3, 2 + byte(rest))
  job.static = static(job.seq, job.created, string.char(#lane, #job.kind) .. lane
    .. sub(job.static, 20 + #job.lane))
  job.lane = lane
end

-- The job of this id that makes way for the new one, or a new one; nil: it is known and stays.
local function made(new)
  local known = call('HGET', JOB, new.id)
  if known then
    local job = opened(new.id, known)
    if not job or not job.parked or new.how == 'p' then
      return nil
    end
    move(job, new.rest)
    return job
  end
  local seq = call('INCR', P .. 'seq')
  note_in_log(seq, {new.id})
  return opened(new.id, static(seq, now, new.rest))
end

-- Returns whether the job is new, or was parked and starts to wait.
local function admit(text)
  local new = read_new(text)
  local job = made(new)
  if not job then
    return false
  end
  job.updated, job.parked, job.execute = now, new.how == 'p', NONE
  local due = new.how == 'd' and now + new.when or new.when
  if job.parked then
    store(job)
  elseif due and due > now then
    set_waiting(job, PENDING, due)
  else
    job.execute = new.how == 'a' and new.when or NONE
    set_ready(job)
  end
  return true
end
