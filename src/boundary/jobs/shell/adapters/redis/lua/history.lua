-- The latest finished jobs of a type.
--
-- ARGV[2..3]  job type, most
-- Returns     ids, records
-- Cost        O(ends of the type that are remembered)
--@flags no-writes allow-oom
--@include core names events record lanes log places

local limit = tonumber(ARGV[3])
local jobs, records, seen, at, last = {}, {}, {}, 0, nil

-- The latest end comes first, but of those of one ms the order says nothing: they are read to the
-- last and put in order.
local function add(entry)
  local id = sub(entry, 1, 16)
  local record = not seen[id] and call('HGET', JOB, id)
  local job = record and opened(id, record)
  seen[id] = true
  if not job or not is_finished(job) or ending(job) ~= entry then
    return true
  elseif last and job.completed ~= last then
    return false
  end
  jobs[#jobs + 1], records[id] = job, record
  last = #jobs >= limit and job.completed or nil
  return true
end

local function read()
  while true do
    local entries = call('LRANGE', P .. 'history:' .. ARGV[2], at, at + 99)
    for _, entry in ipairs(entries) do
      if not add(entry) then
        return
      end
    end
    if #entries == 0 then
      return
    end
    at = at + 100
  end
end

read()
table.sort(jobs, function(a, b)
  if a.completed ~= b.completed then
    return a.completed > b.completed
  end
  return a.seq > b.seq
end)
local ids, found = {}, {}
for i = 1, math.min(limit, #jobs) do
  ids[i], found[i] = jobs[i].id, records[jobs[i].id]
end
return {table.concat(ids), found}
