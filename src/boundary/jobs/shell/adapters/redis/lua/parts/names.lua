-- Where this partition's keys are.
--
-- KEYS[1]  any key of the partition; up to "}:" it is the prefix of all of them
--
-- What belongs here: the prefix, and the words every script uses. What does not: jobs.

local call, sub, byte = redis.call, string.sub, string.byte
local pack, unpacked = struct.pack, struct.unpack
local P = string.match(KEYS[1], '^.-}:')
local JOB = P .. 'job'
local FORMAT = 1
local NONE = -9007199254740991 -- "no instant" where an instant is stored
