-- A waiting (or parked) job is held by a worker.
--
-- ARGV[2]  {worker, lease}
-- ARGV[3]  id
-- Returns  its record; nothing if it does not wait
-- Cost     O(entries of its lane)
--@flags allow-oom
--@include core names clock events record lanes log places

local ask = cmsgpack.unpack(ARGV[2])
local job = load(ARGV[3])
if not job or (job.status ~= PENDING and job.status ~= RETRYING) then
  return false
end
hold_until(ask.worker, now + ask.lease)
call('SISMEMBER', P .. 'flight:' .. ask.worker, job.id) -- whether there is such a place, before it is lifted
lift(job, true)
job.status, job.updated, job.started, job.token = RUNNING, now, now, job.token + 1
job.worker, job.progress, job.stop, job.due, job.parked = ask.worker, '', false, NONE, false
call('SADD', P .. 'flight:' .. ask.worker, job.id)
store(job)
return closed(job)
