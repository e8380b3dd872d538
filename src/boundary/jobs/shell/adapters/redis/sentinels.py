"""What sentinels are asked, and what follows from their answers.

What belongs here: the question for the master, written once for both drivers. What does not: asking
(`blocking`, `asynchronous`). The driver's own class asks with retries of its own, without a limit.
"""

from __future__ import annotations

from typing import Any

from redis import exceptions as redis_errors

from boundary.jobs.shell.adapters.redis.address import Address, Node, shown
from boundary.jobs.shell.adapters.redis.terms import Command


def who_is(address: Address) -> Command:
    """What a sentinel is asked."""
    return ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", address.master)


def named(address: Address, reply: Any) -> Node:
    """The master a sentinel names.

    Raises:
        redis.exceptions.ConnectionError: It knows none.
    """
    if reply is None:
        raise redis_errors.ConnectionError(f"it knows no master called {address.master!r}")
    host, port = reply
    return Node(host.decode(), int(port))


def unnamed(failures: list[tuple[Node, Exception]]) -> Exception:
    """What is wrong if no sentinel named a master; one that refuses us tells more than silence."""
    for _, error in failures:
        if isinstance(error, redis_errors.ResponseError | redis_errors.AuthenticationError):
            return error
    told = "; ".join(f"{shown(node)}: {error}" for node, error in failures)
    made = redis_errors.ConnectionError(f"no sentinel names the master ({told})")
    made.__cause__ = failures[-1][1]
    return made
