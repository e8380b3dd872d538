-- No such jobs are stored, wherever they were.
--
-- ARGV[2]  ids, 16 bytes each
-- ARGV[3]  the act, see parts/acting.lua
-- Returns  for each: 1 if it was, 0
-- Cost     O(jobs)
--@flags allow-oom
--@include core names clock events record lanes log places acting

local was, gone, asides = {}, {}, {}
for at = 1, #ARGV[2], 16 do
  local id = sub(ARGV[2], at, at + 15)
  local job = load(id)
  if job then
    if job.status ~= RUNNING then
      asides[#asides + 1] = aside(ARGV[3], job, 'g')
    end
    lift(job)
    if is_finished(job) then
      call('LREM', P .. 'history:' .. job.kind, 0, ending(job))
    end
    drop(job)
  end
  local removed = call('HDEL', P .. 'broken', id) + call('HDEL', JOB, id)
  local there = job ~= nil or removed > 0
  was[#was + 1] = there and '1' or '0'
  if there then
    gone[#gone + 1] = id
  end
end
log_act(ARGV[3], #gone, asides)
told('result', gone)
told('control', gone)
return table.concat(was)
