-- Outcomes of runs take effect.
--
-- ARGV[2]  worker
-- ARGV[3]  outcomes, as parts/settling.lua reads them
-- Returns  now, which were accepted (empty: all)
-- Cost     O(outcomes)
--@flags allow-oom
--@include core names clock events record lanes log places settling

return {now, settle(ARGV[2], ARGV[3])}
