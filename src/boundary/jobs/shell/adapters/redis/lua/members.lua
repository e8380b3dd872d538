-- Ids of dead letters of one cause, that which ended first first.
--
-- ARGV[2]  {cause, limit, queue?, until?}
-- Returns  {when it ended, id} each
-- Cost     O(groups + limit)
--@flags no-writes allow-oom
--@include core names

local ask = cmsgpack.unpack(ARGV[2])
local before = ask['until'] and string.format('%d', ask['until']) or '+inf'
local found = {}
for _, group in ipairs(call('ZRANGE', P .. 'groups', 0, -1)) do
  local queue, cause = string.match(group, '^(.-)|.-|(.*)$')
  if cause == ask.cause and (not ask.queue or ask.queue == queue) then
    local members = call('ZRANGE', P .. 'cause:' .. group, '-inf', before, 'BYSCORE', 'LIMIT', 0,
      ask.limit, 'WITHSCORES')
    for i = 1, #members, 2 do
      found[#found + 1] = {members[i + 1], members[i]}
    end
  end
end
table.sort(found, function(a, b)
  if a[1] ~= b[1] then
    return tonumber(a[1]) < tonumber(b[1])
  end
  return a[2] < b[2]
end)
local first = {}
for i = 1, math.min(ask.limit, #found) do
  first[i] = {found[i][1], sub(found[i][2], 7)}
end
return first
