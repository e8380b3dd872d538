-- Where this partition's keys are.
--
-- KEYS[1]  the key of the jobs' records; without its last word the prefix of all keys
--
-- What belongs here: the prefix, and the words every script uses. What does not: jobs.

-- `try` answers with the server's error, a table with `err`, where `call` ends the script.
local call, try, sub, byte = redis.call, redis.pcall, string.sub, string.byte
local pack, unpacked = struct.pack, struct.unpack
local JOB = KEYS[1]
local P = sub(JOB, 1, -4)
local FORMAT = 1
local NONE = -9007199254740991 -- "no instant" where an instant is stored
