-- A schedule is as given, if it was as told.
--
-- ARGV[2]  {name, was?, next?}: the tick it stood at, and the one it stands at then
-- ARGV[3]  the body it had; empty: there was none
-- ARGV[4]  its body
-- ARGV[5]  the act, see parts/acting.lua
-- Returns  1 if it stands as given now
-- Cost     O(log schedules)
--@flags allow-oom
--@include core names clock events record lanes log places acting

local ask = cmsgpack.unpack(ARGV[2])
local at = tonumber(call('ZSCORE', P .. 'ticks', ask.name) or nil)
local body = call('HGET', P .. 'schedules', ask.name) or ''
if body == ARGV[4] and at == ask.next then
  return 1 -- done before, and the answer was lost
elseif body ~= ARGV[3] or at ~= ask.was then
  return 0
end
call('HSET', P .. 'schedules', ask.name, ARGV[4])
if ask.next then
  call('ZADD', P .. 'ticks', ask.next, ask.name)
  call('ZADD', P .. 'wake', 0, '') -- whoever wakes learns of the tick
else
  call('ZREM', P .. 'ticks', ask.name)
end
log_act(ARGV[5], 1, {})
return 1
