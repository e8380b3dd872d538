-- A schedule, as it is told.
--
-- What belongs here: putting its parts together. What does not: when it ticks (core/schedules.py).

-- {name, tick, body, last firing}; nil: there is none of this name. A tick of false is a paused one.
local function schedule(name, tick)
  local body = call('HGET', P .. 'schedules', name)
  return body and {name, tick, body, call('HGET', P .. 'fired', name)} or nil
end
