-- Jobs that wait never run; those that run are asked to stop.
--
-- ARGV[2]  ids, 16 bytes each
-- ARGV[3]  keep in ms, empty: for good
-- Returns  for each: d done, r requested, x refused, m missing
-- Cost     O(jobs)
--@flags allow-oom
--@include core names clock events record lanes log places

local verdicts, ended, keep = {}, {}, tonumber(ARGV[3]) or NONE

local function cancel(job)
  if not job then
    return 'm'
  elseif is_finished(job) then
    return 'x'
  elseif job.status == RUNNING then
    job.stop = true
    call('SADD', P .. 'stopping', job.id)
    store(job)
    return 'r'
  end
  lift(job)
  job.updated = now
  set_finished(job, CANCEL, keep)
  ended[#ended + 1] = job.id
  return 'd'
end

for at = 1, #ARGV[2], 16 do
  verdicts[#verdicts + 1] = cancel(load(sub(ARGV[2], at, at + 15)))
end
told('result', ended)
told('control', verdicts)
return table.concat(verdicts)
