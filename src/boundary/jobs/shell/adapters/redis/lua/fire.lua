-- A tick of a schedule is done: its job waits, and the schedule stands at its next tick.
--
-- ARGV[2]  {name, tick, next}
-- ARGV[3]  the job, as parts/admitting.lua reads it; empty: it is in another partition
-- Returns  1 if the schedule stood at that tick
-- Cost     O(log schedules)
--@flags
--@include core names clock events record lanes log places admitting

local ask = cmsgpack.unpack(ARGV[2])
if tonumber(call('ZSCORE', P .. 'ticks', ask.name) or nil) ~= ask.tick then
  return 0
end
if #ARGV[3] > 0 then
  admit(ARGV[3])
end
call('ZADD', P .. 'ticks', ask.next, ask.name)
return 1
