-- Which job has a seq: 16 bytes each, 1024 in a piece. A search goes through it.
--
-- What belongs here: keeping it. What does not: searching it.

local PIECE = 1024

local function note_in_log(first, ids)
  local done = 0
  while done < #ids do
    local seq = first + done
    local piece, offset = math.floor(seq / PIECE), seq % PIECE
    local count = math.min(PIECE - offset, #ids - done)
    call('SETRANGE', P .. 'log:' .. piece, offset * 16, table.concat(ids, '', done + 1, done + count))
    call('HINCRBY', P .. 'logs', piece, count)
    done = done + count
  end
end

-- A piece of the log of which no job is left is dropped.
local function forget_in_log(pieces)
  for piece, count in pairs(pieces) do
    if call('HINCRBY', P .. 'logs', piece, -count) <= 0 then
      call('HDEL', P .. 'logs', piece)
      call('DEL', P .. 'log:' .. piece)
    end
  end
end

local function piece_of(seq)
  return math.floor(seq / PIECE)
end
