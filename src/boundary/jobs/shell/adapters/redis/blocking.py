"""The driver for callers that block: connections, and taking a conversation's steps.

What belongs here: sockets of threads. What does not: what to say (`conversation`).
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar, cast

from redis import exceptions as redis_errors
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.sentinel import Sentinel

from boundary.jobs.core.operations import Enqueue, Enqueued, Interest, Operation, Topic
from boundary.jobs.errors import BackendUnavailable
from boundary.jobs.ports import Listener
from boundary.jobs.shell.adapters.redis import faults
from boundary.jobs.shell.adapters.redis.address import Address, Node
from boundary.jobs.shell.adapters.redis.conversation import (
    Acquaintance,
    Conversation,
    Discover,
    Lost,
    Send,
    Sleep,
    Step,
    execute,
)
from boundary.jobs.shell.adapters.redis.plans import merged, shared
from boundary.jobs.shell.adapters.redis.terms import Terms
from boundary.jobs.shell.adapters.redis.wires import Wire

if TYPE_CHECKING:
    from boundary.jobs.shell.adapters.redis.hearing import Ears

R = TypeVar("R")

STALE = 0.01
"""Seconds after which a connection nobody used may have been closed from the other side.

Shorter than a server takes to restart; longer than a busy caller leaves it alone."""

UNUSED = 60.0
"""Seconds after which connections above `min_idle` that nobody used are closed."""

_ABANDONED: list[object] = []
"""Connections of a parent process: closing them here would harm it."""

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


def master(address: Address, timeout: float) -> Node:
    """Which server the sentinels name as master.

    Raises:
        redis.exceptions.ConnectionError: None of them knows.
    """
    secure: dict[str, Any] = {"ssl": True, **address.files} if address.tls else {}
    sentinels: Any = cast("Any", Sentinel)(
        [tuple(node) for node in address.nodes],
        sentinel_kwargs={**address.sentinel, **secure, "socket_timeout": timeout / 2},
    )
    try:
        host, port = sentinels.discover_master(address.master)
    finally:
        for one in sentinels.sentinels:
            one.close()
    return Node(host, port)


class Pool:
    """Connections to one node, each used by one thread at a time, the last used first."""

    def __init__(self, terms: Terms, node: Node) -> None:
        self._terms = terms
        self._node = node
        # Popped and pushed without the lock: single steps of a deque are atomic.
        self._idle: deque[tuple[float, Wire]] = deque()
        self._changed = threading.Condition()
        self._open = 0
        self._waiting = 0

    def take(self, seconds: float) -> Wire:
        """A connection that is open.

        Raises:
            redis.exceptions.MaxConnectionsError: All are in use for so long.
            redis.exceptions.ConnectionError: None can be opened.
        """
        try:
            since, found = self._idle.pop()
        except IndexError:
            return self._wait(seconds)
        if time.monotonic() - since < STALE or _is_open(found):
            return found
        self._drop(found)
        return self.take(seconds)

    def _wait(self, seconds: float) -> Wire:
        """A new connection, or the next one another thread is done with."""
        end = time.monotonic() + seconds
        with self._changed:
            self._waiting += 1
            try:
                while not self._idle and self._open >= self._terms.max_total:
                    left = end - time.monotonic()
                    if left <= 0:
                        raise redis_errors.MaxConnectionsError(
                            f"all {self._terms.max_total} connections are in use (redis.max_total)"
                        )
                    self._changed.wait(left)
                new = not self._idle
                if new:
                    self._open += 1
            finally:
                self._waiting -= 1
        return self._new(end - time.monotonic()) if new else self.take(end - time.monotonic())

    def _new(self, seconds: float) -> Wire:
        limit = max(min(seconds, self._terms.timeout), 0.05)
        made = connection(self._terms.address, self._node, limit)
        try:
            made.connect()
        except BaseException:
            self._drop(made)
            raise
        return made

    def _drop(self, used: Wire) -> None:
        used.disconnect()
        with self._changed:
            self._open -= 1
            self._changed.notify()

    def give(self, used: Wire) -> None:
        """The caller is done with it; one that is closed is let go."""
        if not used.is_connected or len(self._idle) >= self._terms.max_idle:
            self._drop(used)
            return
        now = time.monotonic()
        self._idle.append((now, used))
        if self._waiting:
            with self._changed:
                self._changed.notify()
        elif self._idle[0][0] < now - UNUSED:
            self._shrink(now - UNUSED)

    def _shrink(self, before: float) -> None:
        """Connections nobody used since are closed, down to `min_idle`."""
        while len(self._idle) > self._terms.min_idle:
            since, oldest = self._idle.popleft()
            if since >= before:
                self._idle.appendleft((since, oldest))
                return
            self._drop(oldest)

    def close(self) -> None:
        """Those nobody uses are closed."""
        while self._idle:
            self._drop(self._idle.pop()[1])


def _is_open(found: Wire) -> bool:
    try:
        return not found.can_read(0)
    except FAILURES:
        return False


class Driver:
    """Takes the steps of conversations; threads may share it, a forked child begins anew."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self.known = Acquaintance(self.terms)
        self._pools: dict[Node, Pool] = {}

    def renew_in_a_child(self) -> bool:
        """After a fork the connections are the parent's. Whether this is such a child."""
        if self._pid == os.getpid():
            return False
        _ABANDONED.append(self._pools)
        self._begin()
        return True

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
                return master(self.terms.address, step.timeout)
            except FAILURES as error:
                return Lost(error, sent=False)
        return [self._send(one) for one in step]

    def pool(self, node: Node) -> Pool:
        """The connections to a node."""
        found = self._pools.get(node)
        if found is None:
            found = self._pools.setdefault(node, Pool(self.terms, node))
        return found

    def _send(self, send: Send) -> list[Any] | Lost:
        pool = self.pool(send.node)
        try:
            used = pool.take(send.timeout)
        except FAILURES as error:
            return Lost(error, sent=False)
        try:
            return _exchange(used, send)
        except FAILURES as error:
            used.disconnect()
            return Lost(error, sent=True)
        except BaseException:
            used.disconnect()
            raise
        finally:
            pool.give(used)

    def close(self) -> None:
        """Connections nobody uses are closed; later calls open others."""
        self.renew_in_a_child()
        for pool in list(self._pools.values()):
            pool.close()


def _exchange(used: Wire, send: Send) -> list[Any]:
    """The replies to commands that go out in one write; an error reply is one of them."""
    packed = [part for command in send.commands for part in used.pack_command(*command)]
    used.send_packed_command(packed, check_health=False)
    replies: list[Any] = []
    for _ in send.commands:
        try:
            replies.append(used.read_response(disable_decoding=True))
        except redis_errors.ResponseError as error:
            # Read in place: the connection is as good as before.
            replies.append(error)
    return replies


class _Entry:
    """An enqueue on its way through a call that it may share with others."""

    __slots__ = ("done", "error", "operation", "reply")

    def __init__(self, operation: Enqueue) -> None:
        self.operation = operation
        self.reply: Enqueued | None = None
        self.error: BaseException | None = None
        self.done = False


class RedisBackend:
    """`ports.Backend` over Redis. Threads that enqueue at once share calls."""

    def __init__(self, terms: Terms) -> None:
        self.driver = Driver(terms)
        self._begin()

    def _begin(self) -> None:
        self._gathered: deque[_Entry] = deque()
        self._turn = threading.Lock()
        self._ears: Ears | None = None

    def execute(self, operation: Operation[R]) -> R:
        """As `ports.Backend.execute`."""
        if self.driver.renew_in_a_child():
            self._begin()
        if isinstance(operation, Enqueue):
            return self._enqueue(operation)  # type: ignore[return-value]
        return self.driver.drive(execute(operation, self.driver.known))

    def _enqueue(self, operation: Enqueue) -> Enqueued:
        entry = _Entry(operation)
        self._gathered.append(entry)
        with self._turn:
            # Whoever has the turn sends what has gathered, which may include this one already.
            if not entry.done:
                self._send_gathered()
        if entry.error is not None:
            raise entry.error
        assert entry.reply is not None
        return entry.reply

    def _send_gathered(self) -> None:
        batch: list[_Entry] = []
        while self._gathered:
            batch.append(self._gathered.popleft())
        try:
            self._run(batch)
        finally:
            for entry in batch:
                if entry.reply is None and entry.error is None:
                    # Ctrl-C in the thread that ran them: none may believe it is stored.
                    entry.error = BackendUnavailable("the call was interrupted; repeat it")
                entry.done = True

    def _run(self, batch: list[_Entry]) -> None:
        if len(batch) == 1:
            try:
                batch[0].reply = self._one(batch[0].operation)
            except Exception as error:  # noqa: BLE001 - raised again by whoever it belongs to
                batch[0].error = error
            return
        together: list[Enqueued] = []
        try:
            for part in merged([one.operation for one in batch]):
                together.append(self._one(part))  # noqa: PERF401 - some may be stored, then
        except Exception as error:  # noqa: BLE001 - then each by itself, unless that is no use
            for entry in batch:
                entry.error = faults.told(error, entry.operation.jobs, begun=bool(together))
                if entry.error is None:
                    self._run([entry])
            return
        own = shared([one.operation for one in batch], together)
        for entry, reply in zip(batch, own, strict=True):
            entry.reply = reply

    def _one(self, operation: Enqueue) -> Enqueued:
        return self.driver.drive(execute(operation, self.driver.known))

    def listen(self, interest: Interest) -> Listener:
        """As `ports.Backend.listen`."""
        from boundary.jobs.shell.adapters.redis.hearing import Ears, TokenListener

        if self.driver.renew_in_a_child():
            self._begin()
        if interest.topic is Topic.WORK:
            return TokenListener(self.driver, interest)
        if self._ears is None:
            self._ears = Ears(self.driver)
        return self._ears.listen(interest)

    def close(self) -> None:
        """As `ports.Backend.close`."""
        ears, self._ears = self._ears, None
        if ears is not None:
            ears.close()
        self.driver.close()
