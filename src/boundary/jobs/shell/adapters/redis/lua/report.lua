-- A running job's progress is as given.
--
-- ARGV[2..4]  id, token, progress
-- Returns     1, or 0 if it does not run under that token
-- Cost        O(1)
--@flags allow-oom
--@include core names clock events record lanes log places

local job = load(ARGV[2])
if not job or job.status ~= RUNNING or job.token ~= tonumber(ARGV[3]) then
  return 0
end
job.progress = ARGV[4]
store(job)
return 1
