-- What the user of this connection may not do, of what we need.
--
-- ARGV[2]    a channel of ours
-- ARGV[3..]  commands as words with spaces between; K stands for a key of ours, C for the channel
-- Returns    those that are refused
-- Cost       O(commands)
--@flags no-writes allow-oom
--@include names

local refused = {}
for i = 3, #ARGV do
  local words = {}
  for word in string.gmatch(ARGV[i], '%S+') do
    if word == 'K' then
      word = JOB
    elseif word == 'C' then
      word = ARGV[2]
    end
    words[#words + 1] = word
  end
  if not redis.acl_check_cmd(unpack(words)) then
    refused[#refused + 1] = ARGV[i]
  end
end
return refused
