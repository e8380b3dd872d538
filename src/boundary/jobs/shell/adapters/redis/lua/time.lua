-- What time it is in the store.
--
-- Returns  ms since the epoch
-- Cost     O(1)
--@flags allow-oom
--@include core names clock

return now
