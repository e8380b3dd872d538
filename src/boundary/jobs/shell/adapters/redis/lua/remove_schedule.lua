-- No schedule has this name.
--
-- ARGV[2..3]  name; the act, see parts/acting.lua
-- Returns     1 if one had
-- Cost        O(log schedules)
--@flags allow-oom
--@include core names clock events record lanes log places acting

call('ZREM', P .. 'ticks', ARGV[2])
call('HDEL', P .. 'fired', ARGV[2])
call('HDEL', P .. 'firing', ARGV[2])
local gone = call('HDEL', P .. 'schedules', ARGV[2])
log_act(ARGV[3], gone, {})
return gone
