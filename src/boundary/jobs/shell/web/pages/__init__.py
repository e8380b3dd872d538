"""The dashboard: pages for people.

What belongs here: `page` (what a page is), the pages by what they show (`overview`, `job`,
`lists`), what their buttons do (`acting`), and how values are written (`writing`, `charts`,
`tracebacks`). What does not: markup (`templates`), a rule of the queue.

A page is a function from a question to a `View`; the same view is sent whole, and again as events
whenever it has changed. Nothing needs a script but that.
"""
