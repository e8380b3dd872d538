-- Somebody follows events, for a while, or does so no longer.
--
-- ARGV[2]  who
-- ARGV[3]  for how many ms; 0: no longer
-- Returns  1
-- Cost     O(those who watch)
--
-- A worker that is busy learns of it with its next answer; others are told to beat, and learn then.
--@flags allow-oom
--@include core names clock watching

local key, span = P .. 'watchers', tonumber(ARGV[3])
for _, gone in ipairs(call('ZRANGE', key, '-inf', now, 'BYSCORE')) do
  call('ZREM', key, gone)
end
if span == 0 then
  call('ZREM', key, ARGV[2])
  return 1
end
local known = call('ZSCORE', key, ARGV[2])
call('ZADD', key, now + span, ARGV[2])
call('EXPIRE', key, math.ceil(span / 1000))
if not known then
  publish('control', '')
end
return 1
