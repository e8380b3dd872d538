-- Failed jobs wait again with a full budget; records that were set aside are put back.
--
-- ARGV[2]  ids, 16 bytes each
-- ARGV[3]  for each how many ms it waits first, an i8; empty: none does
-- ARGV[4]  the act, see parts/acting.lua
-- Returns  for each: d done, x refused, m missing
-- Cost     O(jobs)
--@flags allow-oom
--@include core names clock events record lanes log places acting

local function put_back(id)
  local broken = call('HGET', P .. 'broken', id)
  if not broken then
    return 'm'
  end
  local lane = sub(broken, 2, 1 + byte(broken))
  local record = sub(broken, 2 + byte(broken))
  call('HDEL', P .. 'broken', id)
  call('HSET', JOB, id, record)
  line_up(lane, {id .. sub(record .. string.rep('\0', 11), 6, 11)})
  return 'd'
end

local asides = {}

local function retry(id, delay)
  local job = load(id)
  if not job then
    return put_back(id)
  elseif job.status ~= FAILED then
    return 'x'
  end
  asides[#asides + 1] = aside(ARGV[4], job, 'k')
  lift(job)
  start_anew(job)
  if delay > 0 then
    set_waiting(job, PENDING, now + delay)
  else
    set_ready(job)
  end
  return 'd'
end

local verdicts, done = {}, 0
for at = 1, #ARGV[2], 16 do
  local delay = ARGV[3] == '' and 0 or unpacked('>i8', ARGV[3], (at + 1) / 2)
  verdicts[#verdicts + 1] = retry(sub(ARGV[2], at, at + 15), delay)
  done = done + (verdicts[#verdicts] == 'd' and 1 or 0)
end
log_act(ARGV[4], done, asides)
return table.concat(verdicts)
