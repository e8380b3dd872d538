-- What lost workers held is taken back.
--
-- ARGV[2]  {crashes: most, limit, keep?}
-- Returns  the ids
-- Cost     O(jobs held by lost workers)
--@flags allow-oom
--@include core names clock events record lanes log places

local ask = cmsgpack.unpack(ARGV[2])
local lost = call('ZRANGE', P .. 'workers', '-inf', now, 'BYSCORE')
local jobs, left = {}, {}
for _, worker in ipairs(lost) do
  left[worker] = 0
  for _, job in ipairs(held_by(worker)) do
    jobs[#jobs + 1] = job
    left[worker] = left[worker] + 1
  end
end
local taken = {}
for i, job in ipairs(latest_first(jobs)) do
  if i > ask.limit then
    break
  end
  left[job.worker] = left[job.worker] - 1
  lift(job)
  job.crashes = job.crashes + 1
  local hopeless = job.crashes >= ask.crashes and not job.stop
  give_back(job, hopeless and CRASH or RECLAIM, ask.keep or NONE)
  taken[i] = job.id
end
for worker, number in pairs(left) do
  if number == 0 then
    forget_worker(worker)
  end
end
return taken
