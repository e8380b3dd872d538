"""What is told of jobs while they are enqueued and run: one stream, and who takes note of it.

What belongs here: the stream and its subscribers, each a module: `journal` (log lines),
`announcing` (the events others follow), `meter` with `exposition` and `health` (metrics, and the port
they are on), `hooks` (users' functions), `tracing` (spans). What does not: causing any of it.
"""
