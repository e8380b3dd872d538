-- A job such as a schedule makes comes in, because somebody asked for it.
--
-- ARGV[2..3]  the act, see parts/acting.lua; the job, as parts/admitting.lua reads it
-- Returns     now; 1 if it is new; whether somebody watches
-- Cost        O(1)
--@flags
--@include core names clock events record lanes log places admitting acting watching

local fresh = admit(ARGV[3]) and 1 or 0
log_act(ARGV[2], fresh, {})
return {now, fresh, watched()}
