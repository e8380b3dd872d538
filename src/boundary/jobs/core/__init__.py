"""Pure decisions over frozen data: no clock, no chance, no I/O.

Read in this order: `records` and `lifecycle` (what a job is), `operations` (what can be asked of
a store), `model` (what that means), `outcome` and `retry` (where a run leads), `dispatcher` (what
a worker does next).
"""
