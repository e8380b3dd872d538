-- What time it is in the store.
--
-- ARGV[1]  the wall clock in ms, where a test gives one; else empty: the server's own
--
-- The time never goes back: where the clock is set back, it goes on from where it was at half
-- speed until the wall clock has caught up (core/storetime.py is the rule).

local function store_time()
  local wall = tonumber(ARGV[1])
  if not wall then
    local t = call('TIME')
    wall = t[1] * 1000 + math.floor(t[2] / 1000)
  end
  local noted = call('GET', P .. 'clock')
  local mark, at = 0, 0
  if noted then
    mark, at = unpacked('>i8i8', noted)
  end
  local time = math.max(wall, mark + math.floor(math.max(wall - at, 0) / SLEW))
  if time - mark >= 1000 or wall < at then
    call('SET', P .. 'clock', pack('>i8i8', time, wall))
  end
  return time
end

local now = store_time()
