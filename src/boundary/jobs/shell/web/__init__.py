"""The doors over HTTP: an API for programs, a dashboard for people.

What belongs here: routes, who may take them, pages, and how an error is told over HTTP. What does
not: a rule of the queue, or knowledge of which store is behind the doors. The only part that
imports Starlette and Jinja2.

`app` puts everything together. A request passes `guarding` (headers, origin, size, who asks:
`access`) and arrives at an endpoint of `api` or a page of `pages`; both act through `jobs.aio`.
`openapi` describes the endpoints from their types, `problems` says how an error is told,
`live` tells viewers what has changed.
"""
