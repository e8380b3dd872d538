-- The next ready jobs of a queue.
--
-- ARGV[2..3]  queue, most
-- Returns     ids, records
-- Cost        O(jobs + entries left behind)
--@flags no-writes allow-oom
--@include core names events record lanes log places

local limit = tonumber(ARGV[3])
local ids, records = {}, {}

local function look(lane)
  local key, at = P .. 'ready:' .. lane, -1
  while #ids < limit do
    local entries = call('LRANGE', key, at - 249, at)
    if #entries == 0 then
      return
    end
    for i = #entries, 1, -1 do
      local id = sub(entries[i], 1, 16)
      local record = call('HGET', JOB, id)
      local job = opened(id, record)
      if job and is_ready(job) and pack('>I6', job.seq) == sub(entries[i], 17)
          and job.lane == lane and #ids < limit then
        ids[#ids + 1], records[#records + 1] = id, record
      end
    end
    at = at - 250
  end
end

for priority = 0, 3 do
  look(ARGV[2] .. ':' .. priority)
end
return {table.concat(ids), records}
