"""What an error of the driver or the server means.

What belongs here: one table from errors to what to do next and to our errors. What does not:
doing it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple, cast

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
from boundary.jobs.shell.adapters.doubt import uncertain
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
        "repair",
        "put_schedule",
        "fire_now",
        "schedules",
        "time",
        "find",
        "peek",
        "search",
        "dead_letters",
        "groups",
        "members",
        "history",
        "stats",
        "explain",
        "audit",
        "series",
    }
)
"""Scripts that may be run again when nobody knows whether they ran: the second time changes
nothing, or nothing anybody would mind."""

FIRST_WAIT, LONGEST_WAIT = 0.01, 0.25
"""Seconds between tries."""


class Closed(Exception):
    """This side has closed the connection."""


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
    if isinstance(error, redis_errors.TryAgainError):
        return Fault("again")
    if isinstance(error, redis_errors.ClusterDownError):  # or MASTERDOWN, a kind of it
        return Fault("again", away=True)  # others may know better
    if isinstance(error, redis_errors.ResponseError):
        return _answered(error, where)
    return _silent(error, where)


def _silent(error: Exception, where: str) -> Fault:
    """There was no answer."""
    if isinstance(error, Closed):
        return Fault("raise", ran=True, error=_closed(where))
    if isinstance(error, redis_errors.MaxConnectionsError):  # our own limit, not the server's
        return Fault("again")
    untrusted = _untrusted(error)
    if untrusted is not None:
        return Fault("raise", error=_uncertified(untrusted, where))
    # Cut, timed out, loading, too many clients: of no use any more.
    return Fault("again", ran=not isinstance(error, redis_errors.BusyLoadingError), away=True)


def _closed(where: str) -> BackendUnavailable:
    return BackendUnavailable(
        f"{where}: this side closed the connection while the call was on its way. Close a store "
        "when nobody uses it any more"
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it came from: the driver tells of it in its own words."""
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or one.__context__


def _untrusted(error: Exception) -> ssl.SSLError | None:
    """What one side has against the other's certificate; waiting does not make it better."""
    for one in _causes(error):
        if isinstance(one, ssl.SSLCertVerificationError):
            return one
        if isinstance(one, ssl.SSLError):
            words = f"{one.library} {one.reason}"
            if "CERTIFICATE" in words or "UNKNOWN_CA" in words or "KEY_VALUES_MISMATCH" in words:
                return one
    return None


def _uncertified(error: ssl.SSLError, where: str) -> StoreRefused:
    if isinstance(error, ssl.SSLCertVerificationError):
        return StoreRefused(
            f"{where} shows a certificate that we do not trust: {error.verify_message}. Name the "
            "file of the CA that signed it (?ssl_ca_certs=), and the host as the certificate does"
        )
    return StoreRefused(
        f"{where} and we cannot speak TLS: {error.reason}. If it asks for a certificate of ours, "
        "name its files (?ssl_certfile= and &ssl_keyfile=); each file has to be in PEM form"
    )


def _node(error: redis_errors.AskError) -> Node:
    redirection = cast("Any", error)  # the driver does not say what it holds
    return Node(redirection.host, redirection.port)


def _refused(error: Exception, where: str) -> Fault:
    return Fault(
        "raise",
        error=StoreRefused(
            f"{where} does not let us in: {error}. Check the user and the password of the URL "
            "or the settings, and the rights of that user (docs/redis.md lists those that are needed)"
        ),
    )


def _answered(error: Exception, where: str) -> Fault:
    text = str(error)
    word = text.split(" ", 1)[0]
    denied = any(part in text for part in ("NOPERM", "ACL failure", "can't run", "can't access"))
    if denied or word in {"NOAUTH", "WRONGPASS", "DENIED"}:
        return _refused(error, where)
    if word in {"BUSY", "NOREPLICAS"}:
        return Fault("again")
    # A server that became a replica, and sends off whoever waited there.
    if "READONLY" in text or "replica" in text or word == "UNBLOCKED":
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
    if "user_script:" in text:
        return Fault(
            "raise",
            error=StoreFormatError(
                f"{where} has a value under our names that our scripts cannot read ({text}); "
                "another program uses this namespace, or a hand changed the value. Choose another "
                "namespace, or put the value right (docs/redis.md says what each key holds)"
            ),
        )
    return Fault("raise", error=BackendError(f"{where} answered: {text}"))


def unavailable(where: str, timeout: float, last: Exception, *, ran: bool) -> BackendUnavailable:
    """The server, or a connection to it, was not to be had in time."""
    if isinstance(last, redis_errors.MaxConnectionsError):
        return BackendUnavailable(
            f"{last} to {where} for {timeout:g} s: the pool is exhausted. Raise redis.max_total, "
            "or let fewer threads share a store"
        )
    known = "; whether it happened is not known" if ran else ""
    if isinstance(last, redis_errors.ResponseError):
        return BackendUnavailable(
            f"{where} did nothing for us within {timeout:g} s{known}: {_said(last)}. Is it a "
            "replica, or kept busy by a script? Try again"
        )
    asks = any(isinstance(one, ssl.SSLEOFError) for one in _causes(last))
    hint = " Does it want a certificate of ours (?ssl_certfile= and &ssl_keyfile=)?" if asks else ""
    return BackendUnavailable(
        f"{where} did not answer within {timeout:g} s{known}: {_said(last)}. Is it running and "
        f"reachable from here?{hint} Try again"
    )


def _said(error: Exception) -> str:
    """The error for people; the driver keeps only the data of some."""
    if isinstance(error, redis_errors.AskError):
        return f"it sends us elsewhere: {error}"
    if isinstance(error, redis_errors.NoScriptError):
        return "it answered too late"
    return str(error).rstrip(".") or type(error).__name__


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
