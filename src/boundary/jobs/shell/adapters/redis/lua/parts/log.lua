-- Which job has a seq: 16 bytes each, 1024 in a piece. A search goes through it.
--
-- A piece is dropped once all its jobs are gone (`gone` counts them, piece by piece).
--
-- What belongs here: keeping it. What does not: searching it.

local PIECE = 1024

local function piece_of(seq)
  return math.floor(seq / PIECE)
end

-- Jobs with these ids have the seqs from `first` on.
local function note_in_log(first, ids)
  local done = 0
  while done < #ids do
    local seq = first + done
    local piece, offset = piece_of(seq), seq % PIECE
    local count = math.min(PIECE - offset, #ids - done)
    local key = P .. 'log:' .. piece
    call('SETRANGE', key, offset * 16, #ids == 1 and ids[1]
      or table.concat(ids, '', done + 1, done + count))
    if offset == 0 or seq == 1 then
      call('SADD', P .. 'pieces', piece)
    end
    done = done + count
  end
end

-- So many jobs of these pieces are gone.
local function forget_in_log(pieces)
  for piece, count in pairs(pieces) do
    -- No job has the seq 0.
    local full = tonumber(piece) == 0 and PIECE - 1 or PIECE
    if call('HINCRBY', P .. 'gone', piece, count) >= full then
      call('HDEL', P .. 'gone', piece)
      call('SREM', P .. 'pieces', piece)
      call('DEL', P .. 'log:' .. piece)
    end
  end
end
