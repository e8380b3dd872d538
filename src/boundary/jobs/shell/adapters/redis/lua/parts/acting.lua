-- What operators did, and jobs as they were before, for as long as that can be undone.
--
-- An act comes as 16 bytes id, I4 how long it can be undone in ms, a letter (WHATS), I2 length of the
-- target, target, who; empty: nobody's. The log has of each i8 when, i8 until when it can be undone,
-- i8 when it was undone, I4 how many jobs, and the act from the letter on.
--
-- An aside is 16 bytes id, a letter, I2 length of the cause, cause, and of a job that is gone (g) or
-- was edited (e) its record, of any other (k) its state alone.
--
-- What belongs here: keeping the log, and jobs aside. What does not: bringing them back (undo.lua).

local ENTRY = '>i8i8i8I4' -- 28 bytes

local function can_be_undone(act)
  return act ~= '' and unpacked('>I4', act, 17) > 0
end

-- The job as it is before it is changed; `letter`: what will be kept of it.
local function aside(act, job, letter)
  if not job or not can_be_undone(act) then
    return nil
  end
  local group = call('HGET', P .. 'causes', job.id)
  local cause = group and string.match(group, '^.-|.-|(.*)$') or ''
  local record = closed(job)
  return job.id .. letter .. pack('>I2', #cause) .. cause
    .. (letter == 'k' and sub(record, #job.static + 1) or record)
end

local function forget_acts()
  local many = call('ZCARD', P .. 'acted') - AUDIT
  if many > 0 then
    for _, id in ipairs(call('ZRANGE', P .. 'acted', 0, many - 1)) do
      call('ZREM', P .. 'acted', id)
      call('HDEL', P .. 'acts', id)
      call('DEL', P .. 'aside:' .. id)
    end
  end
end

-- The act changed so many jobs, and these can be brought back.
local function log_act(act, number, asides)
  if act == '' or number == 0 then
    return
  end
  local id, undo = sub(act, 1, 16), unpacked('>I4', act, 17)
  local key, known = P .. 'aside:' .. id, call('HGET', P .. 'acts', id)
  local at, till, undone, count = now, now + undo, NONE, 0
  if known then
    at, till, undone, count = unpacked(ENTRY, known)
  end
  if undo == 0 then
    till = NONE
  end
  call('HSET', P .. 'acts', id, pack(ENTRY, at, till, undone, count + number) .. sub(act, 21))
  if not known then
    call('ZADD', P .. 'acted', unpacked('>I6', id), id)
    forget_acts()
  end
  if till == NONE then
    call('DEL', key)
  elseif #asides > 0 then
    call('LPUSH', key, unpack(asides))
    call('EXPIRE', key, math.ceil(undo / 1000) + 60)
  end
end
