-- Finished jobs past their retention are gone.
--
-- ARGV[2]  most
-- Returns  how many
-- Cost     O(jobs + distinct retentions in use + ends of jobs that have left, MOST_PASSED at most of each)
--@flags allow-oom
--@include core names clock events record lanes log places

local limit = tonumber(ARGV[2])
local ripe = {}

local function add(from, entry, at)
  local job = load(sub(entry, 1, 16))
  if job and ending(job) ~= entry then
    job = nil
  end
  ripe[#ripe + 1] = {from = from, entry = entry, job = job, at = at,
    seq = job and job.seq or 0}
  return job and 1 or 0
end

-- The ends with one retention.
local function list_of(keep)
  local key = P .. 'ended:' .. keep
  return {
    read = function(first) return call('LRANGE', key, first, first + 249) end,
    take_out = function(entry)
      call('LREM', key, 1, entry)
      if call('EXISTS', key) == 0 then
        call('SREM', P .. 'keeps', keep)
      end
    end,
  }
end

-- Those that did not come in such an order.
local OUT_OF_TURN = {
  read = function(first) return call('ZRANGE', P .. 'ends', first, first + 249) end,
  take_out = function(entry) call('ZREM', P .. 'ends', entry) end,
}

-- The first entries, which are past their instant, with up to `limit` jobs and all of the last one's
-- instant. One whose job has left, or has another instant by now, goes with them.
local function gather(from)
  local first, jobs, last = 0, 0, now
  while first - jobs < MOST_PASSED do
    local entries = from.read(first)
    for _, entry in ipairs(entries) do
      local at = unpacked('>i8', entry, 17)
      if at > now or (jobs >= limit and at > last) then
        return
      end
      jobs, last = jobs + add(from, entry, at), at
    end
    if #entries < 250 then
      return
    end
    first = first + 250
  end
end

-- The oldest ends of a type of which nothing is left are forgotten.
local function shorten_history(kind)
  local key = P .. 'history:' .. kind
  local oldest = call('LINDEX', key, -1)
  while oldest and call('HEXISTS', JOB, sub(oldest, 1, 16)) == 0 do
    call('RPOP', key)
    oldest = call('LINDEX', key, -1)
  end
end

for _, keep in ipairs(call('SMEMBERS', P .. 'keeps')) do
  gather(list_of(keep))
end
gather(OUT_OF_TURN)
table.sort(ripe, function(a, b)
  if a.at ~= b.at then
    return a.at < b.at
  end
  return a.seq < b.seq
end)
local pruned, kinds, pieces, gone = 0, {}, {}, {}
for _, one in ipairs(ripe) do
  if one.job and pruned == limit then
    break
  end
  one.from.take_out(one.entry)
  if one.job and not gone[one.job.id] then
    gone[one.job.id] = true
    pruned = pruned + 1
    kinds[one.job.kind] = true
    lift(one.job)
    call('HDEL', JOB, one.job.id)
    local piece = piece_of(one.job.seq)
    pieces[piece] = (pieces[piece] or 0) + 1
  end
end
forget_in_log(pieces)
for kind in pairs(kinds) do
  shorten_history(kind)
end
return pruned
