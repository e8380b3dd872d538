"""What an error of the driver or the server means.

What belongs here: one table from errors to what to do next and to our errors. What does not:
doing it.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple, cast
from uuid import UUID

from redis import exceptions as redis_errors

from boundary.jobs.core.wire import NewJob
from boundary.jobs.errors import (
    BackendError,
    BackendUnavailable,
    EnqueueUncertain,
    StoreFormatError,
    StoreFull,
    StoreRefused,
)
from boundary.jobs.shell.adapters.redis.address import Node

Next = Literal["again", "load", "moved", "ask", "raise"]

REPEATABLE: Final = frozenset(
    {
        "open",
        "enqueue",
        "admit",
        "heartbeat",
        "instruct",
        "inherit",
        "report",
        "announce",
        "watch",
        "promote",
        "reclaim",
        "prune",
        "put_schedule",
        "schedules",
        "time",
        "find",
        "peek",
        "search",
        "dead_letters",
        "history",
        "stats",
        "explain",
        "series",
    }
)
"""Scripts that may be run again when nobody knows whether they ran: the second time changes
nothing, or nothing anybody would mind."""

FIRST_WAIT, LONGEST_WAIT = 0.01, 0.25
"""Seconds between tries."""


class Fault(NamedTuple):
    """What to do about an error.

    Attributes:
        ran: Whether the server may have run the call.
        away: Whether the connection, or its server, is of no more use.
        node: Where the keys are instead.
        error: What to raise.
    """

    next: Next
    ran: bool = False
    away: bool = False
    node: Node | None = None
    error: BackendError | None = None


def judge(error: Exception, where: str) -> Fault:
    """What to do about an error of the driver.

    Args:
        where: The server, for messages.
    """
    if isinstance(error, redis_errors.NoScriptError):
        return Fault("load")
    if isinstance(error, redis_errors.MovedError):  # a kind of AskError, to the driver
        return Fault("moved", node=_node(error))
    if isinstance(error, redis_errors.AskError):
        return Fault("ask", node=_node(error))
    if isinstance(error, redis_errors.AuthenticationError | redis_errors.NoPermissionError):
        return _refused(error, where)
    if isinstance(error, redis_errors.OutOfMemoryError):
        return Fault(
            "raise",
            error=StoreFull(
                f"{where} has reached its maxmemory and takes no new jobs; workers go on draining "
                "it. Raise maxmemory, start more workers or shorten retention.finished"
            ),
        )
    if isinstance(error, redis_errors.TryAgainError | redis_errors.ClusterDownError):
        return Fault("again")
    if isinstance(error, redis_errors.ResponseError):
        return _answered(error, where)
    # Cut, timed out, loading, too many clients: of no use any more.
    unsent = isinstance(error, redis_errors.BusyLoadingError | redis_errors.MaxConnectionsError)
    return Fault("again", ran=not unsent, away=True)


def _node(error: redis_errors.AskError) -> Node:
    redirection = cast("Any", error)  # the driver does not say what it holds
    return Node(redirection.host, redirection.port)


def _refused(error: Exception, where: str) -> Fault:
    return Fault(
        "raise",
        error=StoreRefused(
            f"{where} does not let us in: {error}. Check the user and the password of the URL, and "
            "the rights of that user (docs/redis.md lists those that are needed)"
        ),
    )


def _answered(error: Exception, where: str) -> Fault:
    text = str(error)
    word = text.split(" ", 1)[0]
    denied = any(part in text for part in ("NOPERM", "ACL failure", "can't run", "can't access"))
    if denied or word in {"NOAUTH", "WRONGPASS", "DENIED"}:
        return _refused(error, where)
    if word == "READONLY" or "READONLY" in text or "replica" in text or word == "MASTERDOWN":
        return Fault("again", away=True)
    if word in {"CLUSTERDOWN", "TRYAGAIN", "BUSY", "LOADING"}:
        return Fault("again")
    if "max number of clients" in text:
        return Fault("again", away=True)
    if word == "OOM" or "OOM" in text:
        return judge(redis_errors.OutOfMemoryError(text), where)
    if "compiling script" in text and "'#'" in text:
        return Fault(
            "raise",
            error=StoreFormatError(
                f"{where} is too old to know script flags; boundary-jobs needs Redis 7.0 or "
                "Valkey 7.2"
            ),
        )
    if word == "MISCONF":
        return Fault("raise", error=StoreFull(f"{where} cannot write to its disk: {text}"))
    if word == "WRONGTYPE" or "WRONGTYPE" in text:
        return Fault(
            "raise",
            error=StoreFormatError(
                f"{where} has a key of another type under our names ({text}); another program uses "
                "this namespace. Choose another one, or remove the key"
            ),
        )
    return Fault("raise", error=BackendError(f"{where} answered: {text}"))


def unavailable(where: str, timeout: float, last: Exception, *, ran: bool) -> BackendUnavailable:
    """The server was not to be had in time."""
    known = "; whether it happened is not known" if ran else ""
    return BackendUnavailable(
        f"{where} did not answer within {timeout:g} s{known}: {last}. Is it running and reachable "
        "from here? Try again"
    )


def deaf(where: str, timeout: float, error: Exception) -> BackendError:
    """Nothing can be heard from the server."""
    return judge(error, where).error or unavailable(where, timeout, error, ran=False)


def uncertain(jobs: tuple[NewJob, ...], why: str) -> EnqueueUncertain:
    """An enqueue of which nobody knows whether it happened."""
    ids = tuple([str(UUID(bytes=job.id)) for job in jobs])
    shown = ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")  # noqa: PLR2004
    return EnqueueUncertain(
        f"{why} Enqueue again with the same job_id ({shown}): that makes no second job",
        job_ids=ids,
    )


def told(error: Exception, jobs: tuple[NewJob, ...], *, begun: bool) -> BackendError | None:
    """What one of several callers is told whose shared enqueue failed; None: its own may succeed.

    Args:
        jobs: The caller's.
        begun: Whether some of the jobs of the shared call are stored.
    """
    if isinstance(error, EnqueueUncertain):
        return uncertain(jobs, str(error.__cause__))
    if isinstance(error, BackendUnavailable):
        # Each by itself would wait as long again, one after the other.
        return uncertain(jobs, error.message) if begun else BackendUnavailable(error.message)
    return None


def checked(found: list[bytes], where: str, namespace: str, partitions: int) -> None:
    """`open.lua` has found nothing wrong.

    Raises:
        StoreFormatError: It has.
    """
    what, value = (one.decode(errors="replace") for one in found)
    if what == "":
        return
    if what == "format":
        raise StoreFormatError(
            f"{where} holds jobs of format {value.partition(' ')[0]!r} in namespace "
            f"{namespace!r}; this library reads 1. Use a newer boundary-jobs, or another namespace"
        )
    if what == "partitions":
        raise StoreFormatError(
            f"{where} keeps namespace {namespace!r} in {value} partitions, not {partitions}; set "
            f"redis.partitions = {value}, or use another namespace"
        )
    raise StoreFormatError(
        f"{where} has a {value} under {what}, where {namespace!r} keeps something else; another "
        "program uses this namespace. Choose another one, or remove the key"
    )
