-- Outcomes of runs take effect.
--
-- ARGV[2]   worker
-- ARGV[3]   the groups of outcomes
-- ARGV[4..] the outcomes of each group, as parts/settling.lua reads them
-- Returns   now, which were accepted (empty: all), whether somebody watches
-- Cost      O(outcomes)
--@flags allow-oom
--@include core names clock events record lanes log places settling watching

return {now, settle(ARGV[2], cmsgpack.unpack(ARGV[3]), 4), watched()}
