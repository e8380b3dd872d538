"""Real servers for tests and benchmarks: found, started on private ports, stopped, nothing left.

What belongs here: finding and running redis-server, valkey-server and what surrounds them (TLS,
Sentinel, Cluster, a proxy that breaks connections). What does not: anything of `boundary.jobs`, and
any Redis client library, which is what the tests are about. Not part of the wheel.
"""
