-- A job is to do something else: one that waits keeps its place, a failed one waits again.
--
-- ARGV[2]  {token, updated}  what it must have, or it has changed meanwhile
-- ARGV[3]  id
-- ARGV[4]  its new payload
-- ARGV[5]  the act, see parts/acting.lua
-- ARGV[6]  its new trail; without it, it keeps the one it has
-- Returns  d done, x refused, m missing
-- Cost     O(log jobs that wait)
--@flags allow-oom
--@include core names clock events record lanes log places acting

local ask = cmsgpack.unpack(ARGV[2])
local job = load(ARGV[3])
if not job then
  return 'm'
elseif job.token ~= ask.token or job.updated ~= ask.updated
    or (job.status ~= PENDING and job.status ~= RETRYING and job.status ~= FAILED) then
  return 'x'
end
local kept = aside(ARGV[5], job, 'e')
job.static = static(job.seq, job.created, sub(job.static, 18, 19 + #job.lane + #job.kind) .. ARGV[4])
job.trail = ARGV[6] or job.trail
job.updated = now
if job.status == FAILED then
  lift(job)
  start_anew(job)
  set_ready(job)
else
  store(job)
end
log_act(ARGV[5], 1, kept and {kept} or {})
return 'd'
