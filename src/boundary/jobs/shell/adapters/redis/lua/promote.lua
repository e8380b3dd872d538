-- Jobs whose instant has come are ready.
--
-- ARGV[2]  most
-- Returns  how many
-- Cost     O(jobs)
--@flags allow-oom
--@include core names clock events record lanes log places

return promote(tonumber(ARGV[2]))
