-- A tick of a schedule is done: its job waits, and the schedule stands at its next tick.
--
-- ARGV[2]  {name, tick, next, held?}; or {name, tick, hold}: for so many ms nobody fires this tick
--          but who says that it is held
-- ARGV[3]  the job's id; empty: the tick is passed over
-- ARGV[4]  the job, as parts/admitting.lua reads it; empty: it is in another partition, or none
-- Returns  1 if the schedule stood at that tick
-- Cost     O(log schedules)
--@flags
--@include core names clock events record lanes log places admitting

local ask = cmsgpack.unpack(ARGV[2])
if tonumber(call('ZSCORE', P .. 'ticks', ask.name) or nil) ~= ask.tick then
  return 0
end
if not ask.held then
  local held = call('HGET', P .. 'firing', ask.name)
  if held and unpacked('>i8', held) > now then
    return 0
  end
end
if ask.hold then
  call('HSET', P .. 'firing', ask.name, pack('>i8', now + ask.hold))
  return 1
end
if #ARGV[4] > 0 then
  admit(ARGV[4])
end
if #ARGV[3] > 0 then
  call('HSET', P .. 'fired', ask.name, pack('>i8', now) .. ARGV[3])
end
call('HDEL', P .. 'firing', ask.name)
call('ZADD', P .. 'ticks', ask.next, ask.name)
return 1
