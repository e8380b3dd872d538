-- What lost workers held is taken back, one worker after another.
--
-- ARGV[2]  {crashes: most, limit, keep?}
-- Returns  the ids
-- Cost     O(limit + jobs held by the last of these workers, STRETCH at most)
--@flags allow-oom
--@include core names clock events record lanes log places

local ask = cmsgpack.unpack(ARGV[2])

-- Jobs of one worker among which the latest are looked for: of one that held very many, any so many.
local STRETCH = 1000

-- Up to `most` jobs that this worker held join `jobs`, its latest ones.
local function gather(worker, most, jobs)
  for i, job in ipairs(latest_first(held_by(worker, math.max(most, STRETCH)))) do
    if i > most then
      break
    end
    jobs[#jobs + 1] = job
  end
end

local jobs, seen = {}, {}
local lost = call('ZRANGE', P .. 'workers', '-inf', now, 'BYSCORE')
for _, worker in ipairs(lost) do
  if #jobs == ask.limit then
    break
  end
  gather(worker, ask.limit - #jobs, jobs)
  seen[#seen + 1] = worker
end
local taken = {}
for i, job in ipairs(latest_first(jobs)) do
  lift(job)
  job.crashes = job.crashes + 1
  local hopeless = job.crashes >= ask.crashes and not job.stop
  give_back(job, hopeless and CRASH or RECLAIM, ask.keep or NONE)
  taken[i] = job.id
end
for _, worker in ipairs(seen) do
  if call('EXISTS', P .. 'flight:' .. worker) == 0 then
    forget_worker(worker)
  end
end
return taken
