-- A finished job that did not end just now joins those of its type, and those to be pruned.
--
-- What belongs here: keeping what is in the order of ends so, for one that is not the latest.

local function join_history(job)
  local key = P .. 'history:' .. job.kind
  add_to_history(job.kind, {ending(job)})
  local entries, ends = call('LRANGE', key, 0, -1), {}
  for _, one in ipairs(entries) do
    local other = one == ending(job) and job or load(sub(one, 1, 16))
    ends[one] = {other and other.completed or NONE, other and other.seq or 0}
  end
  table.sort(entries, function(a, b)
    if ends[a][1] ~= ends[b][1] then
      return ends[a][1] > ends[b][1]
    end
    return ends[a][2] > ends[b][2]
  end)
  call('DEL', key)
  call('RPUSH', key, unpack(entries))
end

-- Of those that are kept equally long it is not the last, and it may be the only one kept so long.
local function retain_out_of_turn(job)
  call('ZADD', P .. 'ends', job.prune, ending(job))
end
