-- Some of the jobs that match, newest first.
--
-- ARGV[2]  {below, scan, limit, status?, kind?, queue?, since?, before?}
--          `below`: only those with a seq below this
-- ARGV[3…] bytes of which one occurs in the payload or the trail, if a text is sought
-- Returns  ids, records, their seqs; the seq down to which it looked (0: all); how many it looked at
-- Cost     O(scan)
--@flags no-writes allow-oom
--@include core names events record lanes log places

local ask = cmsgpack.unpack(ARGV[2])
local ids, records, seqs, looked = {}, {}, {}, 0

local function mentions(job)
  for i = 3, #ARGV do
    if string.find(job.static, ARGV[i], 20 + #job.lane + #job.kind, true)
      or string.find(job.trail, ARGV[i], 1, true) then
      return true
    end
  end
  return #ARGV < 3
end

local function matches(job)
  return (not ask.status or job.status == ask.status)
    and (not ask.kind or job.kind == ask.kind)
    and (not ask.queue or queue_of(job.lane) == ask.queue)
    and (not ask.since or job.created >= ask.since)
    and (not ask.before or job.created < ask.before)
    and mentions(job)
end

local function look_at(id, seq)
  local record = call('HGET', JOB, id)
  local job = opened(id, record)
  if job and job.seq == seq then
    looked = looked + 1
    if matches(job) then
      ids[#ids + 1], records[#records + 1], seqs[#seqs + 1] = id, record, seq
    end
  end
end

local function enough()
  return #ids == ask.limit or looked == ask.scan
end

-- The pieces of the log that hold jobs, latest first.
local function pieces()
  local found = {}
  for _, piece in ipairs(call('SMEMBERS', P .. 'pieces')) do
    found[#found + 1] = tonumber(piece)
  end
  table.sort(found, function(a, b) return a > b end)
  return found
end

-- Every job, by the log. A place whose job is gone costs less than a job, but not nothing.
local function through_the_log()
  local passed = 0
  for _, piece in ipairs(pieces()) do
    local seq = math.min(ask.below - 1, piece * PIECE + PIECE - 1)
    local log = seq >= piece * PIECE and call('GET', P .. 'log:' .. piece) or ''
    while seq >= piece * PIECE and #log > 0 do
      local offset = seq % PIECE * 16
      local before = looked
      local id = sub(log, offset + 1, offset + 16)
      if #id == 16 then
        look_at(id, seq)
        if looked == before then
          passed = passed + 1
        end
      end
      seq = seq - 1
      if enough() or passed == 5000 then
        return math.max(seq, 0)
      end
    end
  end
  return 0
end

local function through_a_status()
  local key = P .. 'status:' .. ask.status
  local found = call('ZRANGE', key, '(' .. string.format('%d', ask.below), '-inf', 'BYSCORE', 'REV',
    'LIMIT', 0, ask.scan, 'WITHSCORES')
  for i = 1, #found, 2 do
    look_at(found[i], tonumber(found[i + 1]))
    if enough() then
      return tonumber(found[i + 1]) - 1
    end
  end
  return #found == 2 * ask.scan and tonumber(found[#found]) - 1 or 0
end

local function through_what_runs()
  local jobs = {}
  for _, worker in ipairs(call('ZRANGE', P .. 'workers', 0, -1)) do
    for _, id in ipairs(call('SMEMBERS', P .. 'flight:' .. worker)) do
      local job = load(id)
      if job and job.seq < ask.below then
        jobs[#jobs + 1] = job
      end
    end
  end
  for _, job in ipairs(latest_first(jobs)) do
    look_at(job.id, job.seq)
    if enough() then
      return job.seq - 1
    end
  end
  return 0
end

local down_to
if ask.status == RUNNING then
  down_to = through_what_runs()
elseif ask.status and ask.status >= FAILED then
  down_to = through_a_status()
else
  down_to = through_the_log()
end
return {table.concat(ids), records, seqs, down_to, looked}
