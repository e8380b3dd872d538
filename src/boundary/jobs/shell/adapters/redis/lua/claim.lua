-- Jobs that are ready are held by a worker.
--
-- ARGV[2]  {worker, slots, lease, promote, join?, queues?, ahead?: {queue: number},
--          limits?: {queue: number}, quiet?}
-- Returns  as parts/claiming.lua says
-- Cost     O(jobs taken + lanes with entries + entries passed over, MOST_PASSED at most)
--@flags allow-oom
--@include core names clock events record lanes log places schedules watching claiming

return claim(cmsgpack.unpack(ARGV[2]))
