-- A worker's lease is renewed.
--
-- ARGV[2]  {worker, lease, join?}
-- ARGV[3]  what it says of itself
-- Returns  now, alive, ids it holds that were asked to stop, its latest order (16 bytes id, word),
--          whether somebody watches
-- Cost     O(log workers)
--@flags allow-oom
--@include core names clock events record lanes log places watching

local ask = cmsgpack.unpack(ARGV[2])
if not ask.join and not call('ZSCORE', P .. 'workers', ask.worker) then
  return {now, 0, '', '', 0}
end
hold_until(ask.worker, now + ask.lease)
call('HSET', P .. 'info', ask.worker, ARGV[3])
return {now, 1, stopping(ask.worker), order_of(ask.worker), watched()}
