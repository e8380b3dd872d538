-- No schedule has this name.
--
-- ARGV[2]  name
-- Returns  1 if one had
-- Cost     O(log schedules)
--@flags allow-oom
--@include core names clock events record lanes log places

call('ZREM', P .. 'ticks', ARGV[2])
call('HDEL', P .. 'fired', ARGV[2])
call('HDEL', P .. 'firing', ARGV[2])
return call('HDEL', P .. 'schedules', ARGV[2])
