-- Jobs of an act are as they were before it, as far as they still may be.
--
-- ARGV[2..4]  id of the act; the act of undoing it; most jobs
-- Returns     what became of it (d done, m missing, x refused, l late, a already), restored, skipped,
--             left, 1 if that was about a queue as a whole
-- Cost        O(jobs + ends of their types that are remembered)
--@flags allow-oom
--@include core names clock events record lanes log places acting finished

local id, key = ARGV[2], P .. 'aside:' .. ARGV[2]
local known = call('HGET', P .. 'acts', id)
if not known then
  return {'m', 0, 0, 0, 0}
end
local at, till, undone, count = unpacked(ENTRY, known)
local what = sub(known, 29, 29)
local target = sub(known, 32, 31 + unpacked('>I2', known, 30))
if undone ~= NONE and call('EXISTS', key) == 0 then
  return {'a', 0, 0, 0, 0}
elseif till == NONE then
  return {'x', 0, 0, 0, 0}
elseif now > till then
  return {undone == NONE and 'l' or 'a', 0, 0, 0, 0}
end
if undone == NONE then
  call('HSET', P .. 'acts', id, pack(ENTRY, at, till, now, count) .. sub(known, 29))
end

-- Whether nobody has touched the job since.
local function untouched(present, old)
  if present.created ~= old.created or present.token ~= old.token then
    return false
  elseif what == WHATS.cancel then
    return present.status == CANCELLED
  elseif what == WHATS.retry then
    return present.status == PENDING
  end
  return what == WHATS.edit and (present.status == PENDING or present.status == RETRYING)
end

-- The job takes its place again, under a new seq: an entry it left behind must stay one.
local function put_back(old, cause, gone)
  local seq = call('INCR', P .. 'seq')
  note_in_log(seq, {old.id})
  local job = opened(old.id, static(seq, old.created, sub(old.static, 18))
    .. sub(closed(old), #old.static + 1))
  job.updated = now
  if is_finished(job) then
    store(job)
    note_status(job, cause)
    if gone then
      join_history(job)
    end
    -- Its end still stands among those to be pruned, unless it was passed over there as nobody's.
    if job.prune ~= NONE and job.prune <= now then
      retain(0, {ending(job)})
    end
  elseif job.due ~= NONE then
    set_waiting(job, job.status, job.due)
  elseif job.parked then
    store(job)
  else
    set_ready(job)
  end
end

local function restore(one)
  local job, letter, cause, at = sub(one, 1, 16), sub(one, 17, 17), unpacked('>I2', one, 18), 20
  local present = load(job)
  local old
  cause, at = sub(one, at, at + cause - 1), at + cause
  if (present == nil) ~= (letter == 'g') or (not present and call('HEXISTS', JOB, job) == 1) then
    return 0
  elseif letter == 'k' then
    old = opened(job, present.static .. sub(one, at))
  else
    old = opened(job, sub(one, at))
  end
  if present then
    if not untouched(present, old) then
      return 0
    end
    lift(present)
    drop(present)
  end
  put_back(old, cause, letter == 'g')
  return 1
end

local restored, asides = 0, {}
if what == WHATS.pause then
  restored = call('SREM', P .. 'paused', target)
  wake(target)
elseif what == WHATS.resume then
  restored = call('SADD', P .. 'paused', target)
else
  asides = call('RPOP', key, tonumber(ARGV[4])) or {}
  for _, one in ipairs(asides) do
    restored = restored + restore(one)
  end
end
log_act(ARGV[3], restored, {})
return {'d', restored, #asides > 0 and #asides - restored or 0, call('LLEN', key),
  (what == WHATS.pause or what == WHATS.resume) and 1 or 0}
