-- Workers pass over a queue, or no longer do.
--
-- ARGV[2..3]  queue; 1 paused, 0 not
-- ARGV[4]     the act, see parts/acting.lua
-- Returns     1 if that is a change
-- Cost        O(1)
--@flags allow-oom
--@include core names clock events record lanes log places acting

if ARGV[3] == '1' then
  local changed = call('SADD', P .. 'paused', ARGV[2])
  log_act(ARGV[4], changed, {})
  return changed
end
local changed = call('SREM', P .. 'paused', ARGV[2])
if changed == 1 then
  wake(ARGV[2])
end
log_act(ARGV[4], changed, {})
return changed
