-- Jobs that wait never run; those that run are asked to stop.
--
-- ARGV[2]  ids, 16 bytes each
-- ARGV[3]  keep in ms, empty: for good
-- ARGV[4]  the act, see parts/acting.lua
-- Returns  for each: d done, r requested, x refused, m missing
-- Cost     O(jobs)
--@flags allow-oom
--@include core names clock events record lanes log places acting

local verdicts, ended, asides, changed, keep = {}, {}, {}, 0, tonumber(ARGV[3]) or NONE

local function cancel(job)
  if not job then
    return 'm'
  elseif is_finished(job) then
    return 'x'
  elseif job.status == RUNNING then
    job.stop = true
    call('SADD', P .. 'stopping', job.id)
    store(job)
    changed = changed + 1
    return 'r'
  end
  asides[#asides + 1] = aside(ARGV[4], job, keep == 0 and 'g' or 'k')
  changed = changed + 1
  lift(job)
  job.updated = now
  set_finished(job, CANCEL, keep)
  ended[#ended + 1] = job.id
  return 'd'
end

for at = 1, #ARGV[2], 16 do
  verdicts[#verdicts + 1] = cancel(load(sub(ARGV[2], at, at + 15)))
end
log_act(ARGV[4], changed, asides)
told('result', ended)
told('control', verdicts)
return table.concat(verdicts)
