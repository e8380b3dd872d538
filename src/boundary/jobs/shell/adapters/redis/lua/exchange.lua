-- Outcomes take effect, then the worker takes jobs: one round trip of a busy worker.
--
-- ARGV[2]   as claim.lua
-- ARGV[3]   the groups of outcomes
-- ARGV[4..] the outcomes of each group, as parts/settling.lua reads them
-- Returns   now, which were accepted (empty: all), what the claim returns
-- Cost      O(outcomes + jobs taken + lanes with entries + entries passed over)
--@flags allow-oom
--@include core names clock events record lanes log places settling schedules watching claiming

local ask = cmsgpack.unpack(ARGV[2])
local accepted = settle(ask.worker, cmsgpack.unpack(ARGV[3]), 4)
return {now, accepted, claim(ask)}
