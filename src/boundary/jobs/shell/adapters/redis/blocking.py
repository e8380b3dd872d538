"""The driver for callers that block: connections, and taking a conversation's steps.

What belongs here: sockets of threads. What does not: what to say (`conversation`).
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeVar, cast
from weakref import WeakSet

from redis import exceptions as redis_errors
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

from boundary.jobs.shell.adapters.redis.address import Address, Node
from boundary.jobs.shell.adapters.redis.conversation import (
    SHORTEST,
    Acquaintance,
    Conversation,
    Discover,
    Lost,
    Send,
    Sleep,
    Step,
)
from boundary.jobs.shell.adapters.redis.sentinels import named, unnamed, who_is
from boundary.jobs.shell.adapters.redis.terms import Terms
from boundary.jobs.shell.adapters.redis.wires import Wire, packed

R = TypeVar("R")

STALE = 0.01
"""Seconds after which a connection nobody used may have been closed from the other side.

Shorter than a server takes to restart; longer than a busy caller leaves it alone."""

UNUSED = 60.0
"""Seconds after which connections above `min_idle` that nobody used are closed."""

LEISURE = 0.25
"""Seconds of its timeout that a call may have used and still open a connection to be kept."""

FAILURES = (redis_errors.RedisError, OSError)


def connection(address: Address, node: Node, timeout: float) -> Wire:
    """A connection to a node, not open yet."""
    given = {**address.options(), "protocol": 2, "socket_timeout": timeout}
    if address.kind == "unix":
        made: Any = UnixDomainSocketConnection
        return cast("Wire", made(path=node.host, **given))
    made = SSLConnection if address.tls else Connection
    return cast(
        "Wire", made(host=node.host, port=node.port, socket_connect_timeout=timeout, **given)
    )


def master(address: Address, asked: Discover) -> Node:
    """Which server the sentinels name as master; each has its share of the time to answer.

    Raises:
        redis.exceptions.RedisError: None of them knows.
    """
    end = time.monotonic() + asked.timeout
    own = address.of_sentinels()
    failures: list[tuple[Node, Exception]] = []
    for number, node in enumerate(asked.sentinels):
        share = (end - time.monotonic()) / (len(asked.sentinels) - number)
        made = connection(own, node, max(share, SHORTEST))
        try:
            made.send_command(*who_is(address), check_health=False)
            return named(address, made.read_response(disable_decoding=True))
        except FAILURES as error:
            failures.append((node, error))
        finally:
            made.disconnect()
    raise unnamed(failures)


class _Waiter:
    """A thread that waits for a connection: told once, of one, or that it may open one (None)."""

    __slots__ = ("found", "told")

    def __init__(self) -> None:
        self.told = threading.Event()
        self.found: Wire | None = None


class Pool:
    """Connections to one node, each used by one thread at a time, the last used first."""

    def __init__(self, terms: Terms, node: Node) -> None:
        self._terms = terms
        self._node = node
        # Popped and pushed without the lock: single steps of a deque are atomic.
        self._idle: deque[tuple[float, Wire]] = deque()
        self._lock = threading.Lock()
        self._open = 0
        self._waiters: deque[_Waiter] = deque()
        self._closed = False

    def take(self, seconds: float) -> Wire:
        """A connection that is open.

        Raises:
            redis.exceptions.MaxConnectionsError: All are in use for so long.
            redis.exceptions.ConnectionError: None can be opened.
        """
        end = time.monotonic() + seconds
        while not self._waiters:  # they came first
            try:
                since, found = self._idle.pop()
            except IndexError:
                break
            if time.monotonic() - since < STALE or _is_open(found):
                return found
            self._drop(found)
        return self._wait(end)

    def _wait(self, end: float) -> Wire:
        """A new connection, or the next one another thread is done with; in turn."""
        waiter = _Waiter()
        with self._lock:
            room = self._open < self._terms.max_total
            if room:
                self._open += 1
            else:
                self._waiters.append(waiter)
                self._hand_on()  # what was given back just now
        if not room and not self._was_told(waiter, end):
            raise redis_errors.MaxConnectionsError(
                f"all {self._terms.max_total} connections were in use"
            )
        return waiter.found or self._new(end - time.monotonic())

    def _was_told(self, waiter: _Waiter, end: float) -> bool:
        try:
            told = waiter.told.wait(max(end - time.monotonic(), 0.0))
        except BaseException:
            if not self._withdrawn(waiter):
                self._return(waiter.found)
            raise
        return told or not self._withdrawn(waiter)

    def _withdrawn(self, waiter: _Waiter) -> bool:
        """It waits no more; False: it was told meanwhile."""
        with self._lock:
            if waiter not in self._waiters:
                return False
            self._waiters.remove(waiter)
            return True

    def _return(self, found: Wire | None) -> None:
        if found is None:
            self._vacate()
        else:
            self.give(found)

    def _hand_on(self) -> None:
        """Who waits gets what is idle; under the lock."""
        while self._waiters:
            try:
                _, found = self._idle.pop()
            except IndexError:
                return
            waiter = self._waiters.popleft()
            waiter.found = found
            waiter.told.set()

    def _new(self, seconds: float) -> Wire:
        """One that is opened in haste, late in a call, has that call's short limit for good."""
        timeout = self._terms.timeout
        limit = timeout if seconds > timeout - LEISURE else max(seconds, SHORTEST)
        made = connection(self._terms.address, self._node, limit)
        try:
            made.connect()
        except BaseException:
            self._drop(made)
            raise
        return made

    def _drop(self, used: Wire) -> None:
        used.disconnect()
        self._vacate()

    def _vacate(self) -> None:
        """There is room for another connection: of the next who waits, if any does."""
        with self._lock:
            if self._waiters:
                self._waiters.popleft().told.set()
            else:
                self._open -= 1

    def give(self, used: Wire) -> None:
        """The caller is done with it; one that is closed, or was opened in haste, is let go."""
        good = used.is_connected and used.socket_timeout == self._terms.timeout
        room = len(self._idle) < self._terms.max_idle or self._waiters
        if not good or not room:
            self._drop(used)
            return
        now = time.monotonic()
        self._idle.append((now, used))
        if self._closed:
            self.close()
        if self._waiters:
            with self._lock:
                self._hand_on()
            return
        try:
            oldest = self._idle[0][0]
        except IndexError:  # others have taken them already
            return
        if oldest < now - UNUSED:
            self._shrink(now - UNUSED)

    def _shrink(self, before: float) -> None:
        """Connections nobody used since are closed, down to `min_idle`."""
        with suppress(IndexError):  # others take them meanwhile
            while len(self._idle) > self._terms.min_idle:
                since, oldest = self._idle.popleft()
                if since >= before:
                    self._idle.appendleft((since, oldest))
                    break
                self._drop(oldest)
        if self._waiters:
            with self._lock:
                self._hand_on()

    def close(self) -> None:
        """Those nobody uses are closed, the others as soon as nobody does."""
        self._closed = True
        with suppress(IndexError):
            while True:
                self._drop(self._idle.pop()[1])

    def abandon(self) -> None:
        """In a forked child: its copies of the sockets are closed, the parent's stay open."""
        for _, used in list(self._idle):
            used.disconnect()  # the driver tells by the process id that the connection is not ours


def _is_open(found: Wire) -> bool:
    try:
        return not found.can_read(0)
    except FAILURES:
        return False


class Forked(Protocol):
    """What has to begin anew in a forked child: locks, and connections of the parent's."""

    def begin_anew(self) -> None:
        """As if it were new."""
        ...


FORKED: WeakSet[Forked] = WeakSet()
"""All there are. A child has one thread when they begin anew, so that no two do so at once."""


def _begin_anew() -> None:
    for one in list(FORKED):
        one.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


class Driver:
    """Takes the steps of conversations; threads may share it, a forked child begins anew."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.known: Acquaintance = Acquaintance(terms)
        self._pools: dict[Node, Pool] = {}
        FORKED.add(self)

    def begin_anew(self) -> None:
        """As `Forked.begin_anew`."""
        pools, self._pools = self._pools, {}
        self.known = Acquaintance(self.terms)
        for pool in pools.values():
            pool.abandon()

    def drive(self, conversation: Conversation[R]) -> R:
        """The conversation's value."""
        answer: Any = None
        try:
            while True:
                answer = self._take(conversation.send(answer))
        except StopIteration as end:
            value: R = end.value
            return value

    def _take(self, step: Step) -> Any:
        if isinstance(step, Sleep):
            time.sleep(step.seconds)
            return None
        if isinstance(step, Discover):
            try:
                return master(self.terms.address, step)
            except FAILURES as error:
                return Lost(error, sent=False)
        start = time.monotonic()
        return [self._send(one, start + one.timeout) for one in step]

    def pool(self, node: Node) -> Pool:
        """The connections to a node."""
        found = self._pools.get(node)
        if found is None:
            found = self._pools.setdefault(node, Pool(self.terms, node))
        return found

    @contextmanager
    def lent(self, node: Node) -> Generator[Wire, None, None]:
        """A connection for the time of a block; whatever goes wrong in it, it is not used again."""
        pool = self.pool(node)
        used = pool.take(self.terms.timeout)
        try:
            yield used
        except BaseException:
            used.disconnect()
            raise
        finally:
            pool.give(used)

    def _send(self, send: Send, end: float) -> list[Any] | Lost:
        left = end - time.monotonic()
        if left <= 0:  # others of the same step have used it up
            return Lost(redis_errors.TimeoutError("no time was left to ask"), sent=False)
        pool = self.pool(send.node)
        try:
            used = pool.take(left)
        except FAILURES as error:
            return Lost(error, sent=False)
        try:
            return _exchange(used, send, end)
        except FAILURES as error:
            used.disconnect()
            return Lost(error, sent=True)
        except BaseException:
            used.disconnect()
            raise
        finally:
            pool.give(used)

    def close(self) -> None:
        """Connections are closed once nobody uses them; later calls open others."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()


def _exchange(used: Wire, send: Send, end: float) -> list[Any]:
    """The replies to commands that go out in one write; an error reply is one of them."""
    used.send_packed_command((packed(send.commands),), check_health=False)
    replies: list[Any] = []
    for _ in send.commands:
        try:
            replies.append(_reply(used, end - time.monotonic()))
        except redis_errors.ResponseError as error:
            # Read in place: the connection is as good as before.
            replies.append(error)
    return replies


def _reply(used: Wire, left: float) -> Any:
    """The next reply. The connection's own limit will do, unless the call has little time left."""
    limit = used.socket_timeout
    if limit is None or left > limit - LEISURE:
        return used.read_response(disable_decoding=True)
    return used.read_response(disable_decoding=True, timeout=max(left, SHORTEST))
