-- Jobs whose instant has come are ready.
--
-- ARGV[2]  most
-- Returns  how many
-- Cost     O(jobs)
--@flags allow-oom
--@include core names clock events record lanes log places

local left, problem = promote(tonumber(ARGV[2]))
if left == 0 and problem then
  error(problem)
end
return left
