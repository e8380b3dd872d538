"""What is told of jobs while they are enqueued and run: one stream, and who takes note of it.

What belongs here: the stream and its subscribers, each a module: `journal` (log lines),
`announcing` (the events others follow). What does not: causing any of it.
"""
