-- Who stands in a list, noted for as long as a repair takes.
--
-- A list cannot be asked for a job. So it is read once, a window at a time, and who stands in it is
-- marked in the roll: a bit for each seq, 1024 to a field. Beside the marks there is a field for each
-- list: i8 when its reading began, I4 how far it came, the entry it came to (ALL: it is done).
--
-- A list is read from the end at which it grows, so what joins meanwhile is not seen; it has a later
-- `updated` than the reading's beginning. If something leaves before the place where it stands, the
-- entry it came to is not far; if that is gone too, the reading begins again.
--
-- What belongs here: reading lists. What does not: what is amiss (mending.lua).

local ROLL -- its key
local WINDOW, OVERLAP, WHOLE, ALL = 1000, 250, 5000, 4294967295
local READING = '>i8I4'
local done_since = {} -- what this call has looked up

local function place_of(seq)
  local offset = seq % PIECE
  return piece_of(seq), math.floor(offset / 8) + 1, offset % 8
end

local function mark(letter, seqs)
  local fields = {}
  for _, seq in ipairs(seqs) do
    local piece, at, place = place_of(seq)
    local bytes = fields[piece]
    if not bytes then
      bytes = {byte(call('HGET', ROLL, letter .. piece) or string.rep('\0', PIECE / 8), 1, -1)}
      fields[piece] = bytes
    end
    bytes[at] = bit.bor(bytes[at], bit.lshift(1, place))
  end
  for piece, bytes in pairs(fields) do
    call('HSET', ROLL, letter .. piece, string.char(unpack(bytes)))
  end
end

local function is_marked(letter, seq)
  local piece, at, place = place_of(seq)
  local bits = call('HGET', ROLL, letter .. piece)
  return bits and bit.band(byte(bits, at), bit.lshift(1, place)) ~= 0
end

-- Since when the marks of this list hold; nil: it was not read to its end.
local function read_since(key)
  if not done_since[key] then
    local reading = call('HGET', ROLL, key)
    if reading then
      local since, at = unpacked(READING, reading)
      done_since[key] = at == ALL and since or nil
    end
  end
  return done_since[key]
end

-- Entries from the growing end on, that end first.
local function some_entries(key, at, number, grows_left)
  if grows_left then
    return call('LRANGE', key, at, at + number - 1)
  end
  local entries, turned = call('LRANGE', key, -at - number, -at - 1), {}
  for i = #entries, 1, -1 do
    turned[#turned + 1] = entries[i]
  end
  return turned
end

local function records_of(entries)
  local found = {}
  for i = 1, #entries, 250 do
    local ids = {}
    for j = i, math.min(i + 249, #entries) do
      ids[#ids + 1] = sub(entries[j], 1, 16)
    end
    for _, record in ipairs(call('HMGET', JOB, unpack(ids))) do
      found[#found + 1] = record
    end
  end
  return found
end

local function contains(entries, sought)
  for _, one in ipairs(entries) do
    if one == sought then
      return true
    end
  end
  return false
end

-- Read a window of the list. `belongs(entry, job)`: the job stands here by this entry. Returns the
-- entries and which of them do not belong, if that was the whole list at one moment.
local function read_on(key, letter, grows_left, belongs)
  local since, at, anchor = now, 0, ''
  local reading = call('HGET', ROLL, key)
  if reading then
    local after
    since, at, after = unpacked(READING, reading)
    anchor = sub(reading, after)
  end
  local whole = at == 0 and call('LLEN', key) <= WHOLE
  local from = math.max(at - OVERLAP, 0)
  local number = whole and WHOLE or at - from + WINDOW
  local entries = some_entries(key, from, number, grows_left)
  if at > 0 and not contains(entries, anchor) then
    number = WHOLE -- very many may have come
    entries = some_entries(key, from, number, grows_left)
    if not contains(entries, anchor) then
      call('HDEL', ROLL, key)
      return nil
    end
  end
  local seqs, others, seen = {}, {}, {}
  for i, record in ipairs(records_of(entries)) do
    local job = opened(sub(entries[i], 1, 16), record)
    if job and belongs(entries[i], job) and not seen[entries[i]] then
      seqs[#seqs + 1], seen[entries[i]] = job.seq, true
    elseif job or not record then
      others[#others + 1] = entries[i]
    end
  end
  mark(letter, seqs)
  local done = whole or #entries < number
  call('HSET', ROLL, key, pack(READING, since, done and ALL or from + number) .. (entries[#entries] or ''))
  return whole and others or nil
end
