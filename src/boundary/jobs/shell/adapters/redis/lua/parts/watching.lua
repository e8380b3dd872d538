-- Whether somebody follows events, so that callers tell of them; and telling it.
--
-- What belongs here: the answer, for replies. What does not: events (callers make them).

local function watched()
  return call('EXISTS', P .. 'watchers')
end

local function publish(channel, text)
  call('PUBLISH', P .. channel, text)
end
