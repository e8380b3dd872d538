-- Workers pass over a queue, or no longer do.
--
-- ARGV[2..3]  queue; 1 paused, 0 not
-- Returns     1 if that is a change
-- Cost        O(1)
--@flags allow-oom
--@include core names clock events record lanes log places

if ARGV[3] == '1' then
  return call('SADD', P .. 'paused', ARGV[2])
end
local changed = call('SREM', P .. 'paused', ARGV[2])
if changed == 1 then
  wake(ARGV[2])
end
return changed
