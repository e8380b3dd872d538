-- A worker goes on under another name, with the jobs it knows it holds; others go back.
--
-- ARGV[2]  {worker, heir, lease, keep?}
-- ARGV[3]  what it says of itself
-- ARGV[4]  jobs it knows, each 16 bytes id, I4 token
-- Returns  now, alive, ids that were asked to stop, its latest order (16 bytes id, word), whether
--          somebody watches
-- Cost     O(jobs held)
--@flags allow-oom
--@include core names clock events record lanes log places watching

local ask = cmsgpack.unpack(ARGV[2])
if not call('ZSCORE', P .. 'workers', ask.worker) then
  -- Done before, and the answer was lost; or its lease ended.
  local known = call('ZSCORE', P .. 'workers', ask.heir)
  return {now, known and 1 or 0, known and stopping(ask.heir) or '', order_of(ask.heir), watched()}
end
hold_until(ask.heir, now + ask.lease)
call('HSET', P .. 'info', ask.heir, ARGV[3])
local known = {}
for at = 1, #ARGV[4], 20 do
  known[sub(ARGV[4], at, at + 19)] = true
end
for _, job in ipairs(latest_first(held_by(ask.worker))) do
  if known[job.id .. pack('>I4', job.token)] then
    call('SREM', P .. 'flight:' .. ask.worker, job.id)
    call('SADD', P .. 'flight:' .. ask.heir, job.id)
    job.worker = ask.heir
    store(job)
  else
    lift(job)
    give_back(job, RELEASE, ask.keep or NONE)
  end
end
local order = order_of(ask.worker)
if order ~= '' then
  call('HSET', P .. 'orders', ask.heir, order)
end
forget_worker(ask.worker)
return {now, 1, stopping(ask.heir), order_of(ask.heir), watched()}
