-- New jobs are stored, of whatever kind: scheduled, parked, or with an id that may be known.
--
-- ARGV[2..]  jobs, as parts/admitting.lua reads them
-- Returns    now; ones and zeros: which are new; whether somebody watches
-- Cost       O(jobs)
--@flags
--@include core names clock events record lanes log places admitting watching

local fresh = {}
for i = 2, #ARGV do
  fresh[i - 1] = admit(ARGV[i]) and '1' or '0'
end
return {now, table.concat(fresh), watched()}
