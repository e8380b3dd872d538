"""Ears for callers that block: tokens for work, channels for results and requests.

What belongs here: waiting for notices. What does not: giving them (the scripts do).

Work is told of by a token that one waiting worker takes: `BZPOPMIN`. Results and requests are told
of on channels: all listeners of a process share one connection, and whoever waits reads for all.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis import exceptions as redis_errors

from boundary.jobs.core.operations import Interest, Time, Topic
from boundary.jobs.errors import BackendUnavailable
from boundary.jobs.ports import Listener
from boundary.jobs.shell.adapters.redis.blocking import Driver, connection
from boundary.jobs.shell.adapters.redis.conversation import execute, locate
from boundary.jobs.shell.adapters.redis.terms import Command, Terms

if TYPE_CHECKING:
    from boundary.jobs.shell.adapters.redis.address import Node
    from boundary.jobs.shell.adapters.redis.wires import Wire

SLICE = 0.25
"""Seconds a read goes on before it looks whether its listener was closed."""

GLANCE = 0.1
"""The same on a connection that only listens, where a look asks nothing of the server. A worker that
leaves waits for it."""

TUNED = 3_600
"""Seconds a worker of certain queues is remembered without a word from it."""

FAILURES = (redis_errors.RedisError, OSError)


def token_keys(terms: Terms, interest: Interest, partition: int) -> list[str]:
    """Where tokens for this listener are."""
    if interest.queues is None:
        return [terms.key(partition, "wake")]
    return [terms.key(partition, f"wake:{queue}") for queue in interest.queues]


def tuning(terms: Terms, interest: Interest, partition: int) -> list[Command]:
    """Say that somebody waits for jobs of these queues only."""
    if interest.queues is None:
        return []
    key = terms.key(partition, "tuned")
    return [("SADD", key, *interest.queues), ("EXPIRE", key, TUNED)]


def channels(terms: Terms) -> list[str]:
    """Where results and requests are told of."""
    names = (Topic.RESULT.value, Topic.CONTROL.value)
    return [terms.key(number, name) for number in range(terms.partitions) for name in names]


def is_meant(interest: Interest, channel: bytes, data: bytes) -> bool:
    """Whether a message is one the listener wants to hear of."""
    if not channel.endswith(b":" + interest.topic.value.encode()):
        return False
    return interest.job is None or interest.job in data


def events_channel(terms: Terms) -> str:
    """Where frames of events are told of; on every node of a cluster the same."""
    return terms.key(0, "events")


class TokenListener(Listener):
    """`ports.Listener` for work: takes the token, of one partition after another."""

    def __init__(self, driver: Driver, interest: Interest) -> None:
        self._driver = driver
        self._interest = interest
        self._turn = 0
        self._closed = False
        self._lock = threading.Lock()
        for partition in range(driver.terms.partitions):
            self._ask(partition, tuning(driver.terms, interest, partition))

    def _ask(self, partition: int, commands: list[Command]) -> None:
        known = self._driver.known
        node = self._driver.drive(locate(partition, known))
        if commands:
            try:
                with self._driver.lent(node) as used:
                    for command in commands:
                        used.send_command(*command, check_health=False)
                        used.read_response()
            except FAILURES as error:
                raise known.deaf(error, node, partition) from error

    def wait(self, timeout: float) -> bool:
        """As `ports.Listener.wait`; False at once when closed."""
        end = time.monotonic() + timeout
        with self._lock:
            while not self._closed:
                left = end - time.monotonic()
                if self._take_token(min(max(left, 0.0), SLICE)):
                    return True
                if left <= SLICE:
                    return False
        return False

    def _take_token(self, seconds: float) -> bool:
        terms, known = self._driver.terms, self._driver.known
        partition = self._turn = (self._turn + 1) % terms.partitions
        node = self._driver.drive(locate(partition, known))
        keys = token_keys(terms, self._interest, partition)
        # 0 would mean for ever.
        command = ("BZPOPMIN", *keys, f"{max(seconds, 0.001):.3f}")
        try:
            with self._driver.lent(node) as used:
                used.send_command(*command, check_health=False)
                reply: Any = used.read_response(timeout=seconds + terms.timeout)
        except FAILURES as error:
            raise known.deaf(error, node, partition) from error
        return bool(reply)

    def close(self) -> None:
        """As `ports.Listener.close`."""
        self._closed = True


class Failure:
    """The last attempt to open a connection that failed: those that waited for it share it."""

    def __init__(self) -> None:
        self._error: BackendUnavailable | None = None
        self._at = 0.0

    def happened(self, error: BackendUnavailable) -> None:
        """It failed just now."""
        self._error, self._at = error, time.monotonic()

    def check(self, since: float) -> None:
        """None has failed since then.

        Raises:
            BackendUnavailable: One has; to try again would take as long again for each.
        """
        if self._error is not None and self._at > since:
            raise BackendUnavailable(self._error.message)


class Ears:
    """All listeners of one process for results and requests, on one connection."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._listeners: list[ChannelListener] = []
        self._changed = threading.Condition()
        self._reader: ChannelListener | None = None
        self._connection: Wire | None = None
        self._spare: Wire | None = None
        self._closed = False
        self._failure = Failure()

    def listen(self, interest: Interest) -> ChannelListener:
        """A listener that hears of everything from now on.

        Raises:
            BackendUnavailable: The server cannot be reached.
        """
        listener = ChannelListener(self, interest)
        came = time.monotonic()
        with self._changed:
            if self._connection is None:
                self._failure.check(came)
                self._connect()
            self._listeners.append(listener)
        return listener

    def _connect(self) -> None:
        """There is a connection on which all channels are heard; under the lock.

        Raises:
            BackendError: The server cannot be reached, or refuses.
        """
        try:
            self._connection = self._subscribed()
        except BackendUnavailable as error:
            self._failure.happened(error)
            raise

    def _subscribed(self) -> Wire:
        terms, known = self._driver.terms, self._driver.known
        made, self._spare = self._spare, None
        node: Node | None = None
        try:
            if made is not None:
                with suppress(redis_errors.ConnectionError, OSError):  # but not after a timeout
                    return self._subscribe(made)
            node = self._driver.drive(locate(0, known))
            return self._subscribe(connection(terms.address, node, terms.timeout))
        except FAILURES as error:
            raise known.deaf(error, node) from error

    def _subscribe(self, made: Wire) -> Wire:
        """Also on one that was used before: what it still had to say is passed over."""
        names = channels(self._driver.terms)
        try:
            made.send_command("SUBSCRIBE", *names, check_health=False)
            left = len(names)
            while left:
                left -= made.read_response(disable_decoding=True)[0] == b"subscribe"
        except BaseException:
            made.disconnect()
            raise
        return made

    def leave(self, listener: ChannelListener) -> None:
        """The listener hears no more; the last one takes the connection with it."""
        with self._changed:
            if listener in self._listeners:
                self._listeners.remove(listener)
            self._changed.notify_all()
            if not self._listeners and self._reader is None:
                self._rest()

    def _rest(self) -> None:
        """Nobody listens: the connection is kept for the next who does, and told nothing."""
        if self._closed:
            self._hang_up()
            return
        made, self._connection = self._connection, None
        if made is not None:
            try:
                made.send_command("UNSUBSCRIBE", check_health=False)
                self._spare = made
            except FAILURES:
                made.disconnect()

    def _hang_up(self) -> None:
        made, self._connection = self._connection, None
        if made is not None:
            made.disconnect()

    def wait(self, listener: ChannelListener, timeout: float) -> bool:
        """Until the listener is told, closed, or its time is up."""
        end = time.monotonic() + timeout
        while True:
            with self._changed:
                while not (listener.told or listener.closed) and self._reader is not None:
                    left = end - time.monotonic()
                    if left <= 0:
                        break
                    self._changed.wait(left)
                left = end - time.monotonic()
                if listener.told or listener.closed or (left <= 0 and self._reader is not None):
                    return listener.take()
            try:
                # Ctrl-C between taking the turn and giving it back would end hearing for all.
                with self._changed:
                    if self._reader is not None:
                        continue
                    self._reader = listener
                self._read(max(min(left, GLANCE), 0.0))
            finally:
                with self._changed:
                    if self._reader is listener:
                        self._reader = None
                        if not self._listeners:
                            self._rest()
                        self._changed.notify_all()
            if left <= 0:
                return listener.take()

    def _read(self, seconds: float) -> None:
        """Read what there is, for everybody."""
        if self._connection is None:
            self._renew()
        made = self._connection
        assert made is not None
        try:
            while made.can_read(seconds):
                self._dispatch(made.read_response(disable_decoding=True))
                seconds = 0.0
        except FAILURES:
            # Something may have been missed: let everybody look, then wait on another connection.
            self._hang_up()
            self._tell_all()
        except BaseException:
            # Ctrl-C: the driver has closed it, and would open it again without the channels.
            self._hang_up()
            self._tell_all()
            raise

    def _renew(self) -> None:
        """Another connection, once the server answers (again): its restart is waited for."""
        self._driver.drive(execute(Time(), self._driver.known))
        with self._changed:
            try:
                if self._connection is None:  # else one who began to listen was quicker
                    self._connect()
            finally:
                self._tell_all()

    def _dispatch(self, message: Any) -> None:
        kind, channel, data = message
        if kind != b"message":
            return
        with self._changed:
            for listener in self._listeners:
                listener.told = listener.told or is_meant(listener.interest, channel, data)

    def _tell_all(self) -> None:
        with self._changed:
            for listener in self._listeners:
                listener.told = True

    def close(self) -> None:
        """Every listener is closed."""
        with self._changed:
            self._closed = True
            for listener in self._listeners:
                listener.closed = True
            self._listeners.clear()
            spare, self._spare = self._spare, None
            if spare is not None:
                spare.disconnect()
            if self._reader is None:
                self._hang_up()
            self._changed.notify_all()


class ChannelListener(Listener):
    """`ports.Listener` for results and requests."""

    def __init__(self, ears: Ears, interest: Interest) -> None:
        self._ears = ears
        self.interest = interest
        self.told: bool = False
        self.closed: bool = False

    def wait(self, timeout: float) -> bool:
        """As `ports.Listener.wait`; False at once when closed."""
        return self._ears.wait(self, timeout)

    def take(self) -> bool:
        """Whether it was told, and is open; then it was not."""
        heard = self.told and not self.closed
        self.told = False
        return heard

    def close(self) -> None:
        """As `ports.Listener.close`."""
        self.closed = True
        self._ears.leave(self)
