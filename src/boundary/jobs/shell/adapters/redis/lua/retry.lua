-- Failed jobs wait again with a full budget; records that were set aside are put back.
--
-- ARGV[2]  ids, 16 bytes each
-- Returns  for each: d done, x refused, m missing
-- Cost     O(jobs)
--@flags allow-oom
--@include core names clock events record lanes log places

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

local function retry(id)
  local job = load(id)
  if not job then
    return put_back(id)
  elseif job.status ~= FAILED then
    return 'x'
  end
  lift(job)
  job.retry, job.crashes, job.ending, job.updated = 0, 0, 0, now
  job.execute, job.completed, job.prune = NONE, NONE, NONE
  set_ready(job)
  return 'd'
end

local verdicts = {}
for at = 1, #ARGV[2], 16 do
  verdicts[#verdicts + 1] = retry(sub(ARGV[2], at, at + 15))
end
return table.concat(verdicts)
