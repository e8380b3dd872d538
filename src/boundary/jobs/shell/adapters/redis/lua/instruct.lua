-- Workers are given an order.
--
-- ARGV[2]  the order: 16 bytes id, then its word
-- ARGV[3]  {workers?}; without it: all that beat
-- ARGV[4]  the act, see parts/acting.lua
-- Returns  the names of those it was given to
-- Cost     O(workers)
--@flags allow-oom
--@include core names clock events record lanes log places acting watching

local ask = cmsgpack.unpack(ARGV[3])
local asked = nil
if ask.workers then
  asked = {}
  for _, name in ipairs(ask.workers) do
    asked[name] = true
  end
end
local told, anew = {}, 0
for _, worker in ipairs(call('ZRANGE', P .. 'workers', '(' .. now, '+inf', 'BYSCORE')) do
  local info = call('HGET', P .. 'info', worker)
  if info and info ~= '' and (not asked or asked[worker]) then
    local was = call('HGET', P .. 'orders', worker)
    if not was or sub(was, 1, 16) ~= sub(ARGV[2], 1, 16) then
      call('HSET', P .. 'orders', worker, ARGV[2])
      anew = anew + 1
    end
    told[#told + 1] = worker
  end
end
if #told > 0 then
  publish('control', '')
end
log_act(ARGV[4], anew, {})
return told
