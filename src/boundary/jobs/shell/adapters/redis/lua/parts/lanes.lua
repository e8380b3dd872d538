-- Ready jobs, in a list for each queue and priority: pushed at the left, taken at the right.
--
-- What belongs here: lining up, and waking whoever waits for work. What does not: taking jobs.

local function queue_of(lane)
  return sub(lane, 1, -3)
end

-- Wake one idle worker of the queue. It wakes the next if it leaves jobs behind (claiming.lua).
-- There is one token for workers of every queue, and one for those of this queue, if there are.
local function wake(queue)
  call('ZADD', P .. 'wake', 0, '')
  if call('SISMEMBER', P .. 'tuned', queue) == 1 then
    call('ZADD', P .. 'wake:' .. queue, 0, '')
    call('EXPIRE', P .. 'wake:' .. queue, 60)
  end
end

-- Entries are at the tail of a lane; `command` RPUSH: at its head. Nobody is woken yet. Of a key that is no
-- lane the server's error, and nothing was done.
local function put_in_lane(lane, entries, command)
  local length = try(command or 'LPUSH', P .. 'ready:' .. lane, unpack(entries))
  if type(length) == 'table' then
    return length
  elseif length == #entries then
    call('SADD', P .. 'lanes', lane)
  end
end

-- The same, and a worker is woken for them.
local function line_up(lane, entries, command)
  local problem = put_in_lane(lane, entries, command)
  if problem then
    error(problem)
  end
  wake(queue_of(lane))
end
