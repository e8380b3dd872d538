"""The imperative shell: what talks to the world, around the decisions of `core`.

Read in this order: `client` (the doors), `flows` (what each door does), `connect` and `adapters`
(stores), `worker`, `executor` and `pulse` (running jobs), `cli`.
"""
