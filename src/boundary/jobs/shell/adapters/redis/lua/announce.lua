-- Who follows events hears these frames.
--
-- ARGV[2..] frames
-- Returns   whether anybody watches
-- Cost      O(frames x those who watch)
--@flags allow-oom
--@include core names watching

for i = 2, #ARGV do
  publish('events', ARGV[i])
end
return watched()
