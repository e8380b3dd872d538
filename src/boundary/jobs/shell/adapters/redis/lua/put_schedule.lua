-- A schedule is as given; if it ticks as the one before, its next tick stays.
--
-- ARGV[2]  {name, next}
-- ARGV[3]  when it ticks
-- ARGV[4]  its body
-- Returns  its next tick
-- Cost     O(log schedules)
--@flags allow-oom
--@include core names clock events record lanes log places

local ask = cmsgpack.unpack(ARGV[2])
local old = call('HGET', P .. 'schedules', ask.name)
local next_at = ask.next
if old and sub(old, 3, 2 + unpacked('>I2', old)) == ARGV[3] then
  next_at = tonumber(call('ZSCORE', P .. 'ticks', ask.name))
end
call('HSET', P .. 'schedules', ask.name, pack('>I2', #ARGV[3]) .. ARGV[3] .. ARGV[4])
call('ZADD', P .. 'ticks', next_at, ask.name)
call('ZADD', P .. 'wake', 0, '') -- whoever wakes learns of the tick
return next_at
