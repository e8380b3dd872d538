-- A worker is forgotten; what it held goes back.
--
-- ARGV[2]  {worker, keep?}
-- Returns  how many jobs went back
-- Cost     O(jobs held)
--@flags allow-oom
--@include core names clock events record lanes log places

local ask = cmsgpack.unpack(ARGV[2])
local jobs = latest_first(held_by(ask.worker))
for _, job in ipairs(jobs) do
  lift(job)
  give_back(job, RELEASE, ask.keep or NONE)
end
forget_worker(ask.worker)
return #jobs
