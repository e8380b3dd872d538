-- Workers are given an order.
--
-- ARGV[2]  the order: 16 bytes id, then its word
-- ARGV[3]  {workers?}; without it: all that beat
-- Returns  the names of those it was given to
-- Cost     O(workers)
--@flags allow-oom
--@include core names clock watching

local ask = cmsgpack.unpack(ARGV[3])
local asked = nil
if ask.workers then
  asked = {}
  for _, name in ipairs(ask.workers) do
    asked[name] = true
  end
end
local told = {}
for _, worker in ipairs(call('ZRANGE', P .. 'workers', '(' .. now, '+inf', 'BYSCORE')) do
  local info = call('HGET', P .. 'info', worker)
  if info and info ~= '' and (not asked or asked[worker]) then
    call('HSET', P .. 'orders', worker, ARGV[2])
    told[#told + 1] = worker
  end
end
if #told > 0 then
  publish('control', '')
end
return told
