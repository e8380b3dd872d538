"""The API for programs, under ``/api/admin/jobs``.

What belongs here: `endpoint` (what an endpoint is, from a request to an answer), `questions`
and `answers` (what goes in and out), and the endpoints by what they are about. What does not: pages.
"""
