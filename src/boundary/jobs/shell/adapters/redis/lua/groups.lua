-- Dead letters by cause, that seen last first.
--
-- ARGV[2]  {scan, queue?, kind?, since?, cause?}  `scan`: groups to look at, all if it is one cause's
-- Returns  {name, count, when the first and the last ended, the last's seq and id} each
-- Cost     O(groups)
--@flags no-writes allow-oom
--@include core names

local ask = cmsgpack.unpack(ARGV[2])
local stop = ask.cause and -1 or ask.scan - 1
local groups, found = call('ZRANGE', P .. 'groups', 0, stop, 'REV', 'WITHSCORES'), {}
for i = 1, #groups, 2 do
  if ask.since and tonumber(groups[i + 1]) < ask.since then
    break
  end
  local queue, kind, cause = string.match(groups[i], '^(.-)|(.-)|(.*)$')
  if (not ask.queue or ask.queue == queue) and (not ask.kind or ask.kind == kind) and
    (not ask.cause or ask.cause == cause) then
    local key = P .. 'cause:' .. groups[i]
    local since = ask.since and string.format('%d', ask.since) or '-inf'
    local first = call('ZRANGE', key, since, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
    local last = call('ZRANGE', key, 0, 0, 'REV', 'WITHSCORES')
    found[#found + 1] = {groups[i], call('ZCOUNT', key, since, '+inf'), first[2], last[2], last[1]}
  end
end
return found
