-- A whole record is stored (the seed's save_job).
--
-- ARGV[2]  {created, token, status, lease, cause?}
-- ARGV[3]  id
-- ARGV[4]  its static part from the lane length on
-- ARGV[5]  its state
-- Returns  d done, x refused
-- Cost     O(log jobs that wait)
--@flags
--@include core names clock events record lanes log places finished

local ask, id = cmsgpack.unpack(ARGV[2]), ARGV[3]
local old = load(id)
local seq = old and old.seq
if old and (old.status ~= ask.status or old.token ~= ask.token) then
  return 'x'
end
if not old and call('HEXISTS', JOB, id) == 1 then
  return 'x'
end
seq = seq or call('INCR', P .. 'seq')
local new = opened(id, static(seq, ask.created, ARGV[4]) .. ARGV[5])
if old then
  local rest = 19 + #old.lane + #old.kind
  old.static = static(seq, old.created, sub(old.static, 18, rest)
    .. sub(new.static, 20 + #new.lane + #new.kind))
  old.trail, old.progress, old.started, old.updated =
    new.trail, new.progress, new.started, new.updated
  store(old)
  return 'd'
end
note_in_log(seq, {id})
if new.status == RUNNING then
  hold_until(new.worker, now + ask.lease)
  call('SADD', P .. 'flight:' .. new.worker, id)
  if new.stop then
    call('SADD', P .. 'stopping', id)
  end
elseif new.due ~= NONE then
  call('ZADD', P .. 'due', new.due, due_member(new))
  count_scheduled(queue_of(new.lane), 1)
end
if is_finished(new) then
  note_status(new, ask.cause)
  join_history(new)
  if new.prune ~= NONE then
    retain_out_of_turn(new)
  end
elseif new.status >= FAILED then
  call('ZADD', P .. 'status:' .. new.status, new.seq, id)
end
store(new)
return 'd'
