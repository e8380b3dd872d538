"""From an operation to its reply, whatever happens between: tries, redirections, failovers.

What belongs here: which commands go to which node, and what follows from each answer, written once
for both drivers. What does not: a socket. A conversation is a generator: it yields what a driver
is to do and is sent what came of it.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from boundary.jobs.core.operations import Enqueue, Operation
from boundary.jobs.errors import BackendError
from boundary.jobs.shell.adapters.damage import UNREADABLE, unreadable
from boundary.jobs.shell.adapters.doubt import uncertain
from boundary.jobs.shell.adapters.redis import faults
from boundary.jobs.shell.adapters.redis.address import Node, Nodes, shown
from boundary.jobs.shell.adapters.redis.plans import plan
from boundary.jobs.shell.adapters.redis.plans.calls import Call, Partitions
from boundary.jobs.shell.adapters.redis.scripts import script
from boundary.jobs.shell.adapters.redis.terms import ENQUEUES, Command, Terms
from boundary.jobs.shell.clock import SystemClock

R = TypeVar("R")

_chance = SystemClock().u


class Send(NamedTuple):
    """Commands for a node, in one write; answered with their replies, or `Lost`."""

    node: Node
    commands: tuple[Command, ...]
    timeout: float


class Discover(NamedTuple):
    """Ask these sentinels, in turn; answered with the node one names, or `Lost`."""

    sentinels: tuple[Node, ...]
    timeout: float


class Sleep(NamedTuple):
    """Wait so many seconds."""

    seconds: float


class Lost(NamedTuple):
    """No replies: the connection failed, before or after the commands went out."""

    error: Exception
    sent: bool


SHORTEST = 0.05
"""Seconds a last try has, however late it is."""

Step: TypeAlias = tuple[Send, ...] | Discover | Sleep
Conversation: TypeAlias = Generator[Step, Any, R]


class Acquaintance:
    """What one driver has learned of a store: where its partitions are, that they are ours."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.nodes: Nodes = Nodes(terms.address)
        self.opened: set[int] = set()
        self.turn = 0

    def where(self, partition: int) -> str:
        """The server of a partition, for messages."""
        node = self.nodes.of(partition)
        return self.terms.address.shown() if node is None else shown(node)

    def deaf(self, error: Exception, node: Node | None, partition: int = 0) -> BackendError:
        """What a listener is told that hears no more; the next looks for its server anew."""
        where = self.terms.address.shown() if node is None else shown(node)
        fault = faults.judge(error, where)
        if node is not None and fault.next == "moved" and fault.node is not None:
            self.nodes.moved(partition, _named(fault.node, node))
        elif node is not None and fault.away:
            self.nodes.failed(node)
        return fault.error or faults.unavailable(where, self.terms.timeout, error, ran=False)


def execute(
    operation: Operation[R], known: Acquaintance, end: float | None = None
) -> Conversation[R]:
    """The reply of an operation.

    Args:
        end: When it must have ended, on the monotonic clock; None: each of its steps has the
            timeout for itself, since the steps of some grow with the store.

    Raises:
        BackendError: As `faults` says.
        UsageError: The operation is wrong in itself.
    """
    known.turn += 1
    steps = plan(operation, Partitions(known.terms.partitions, known.turn))
    replies: list[Any] | None = None
    while True:
        try:
            calls = steps.send(replies)
        except StopIteration as done:
            value: R = done.value
            return value
        except UNREADABLE as error:
            if replies is None:
                raise  # nothing was asked yet: it is the operation that is wrong
            raise unreadable(known.terms.address.shown(), operation, error) from error
        try:
            replies = yield from _together(calls, known, end)
        except _Uncertain as error:
            if isinstance(operation, Enqueue):
                raise uncertain(operation.jobs, str(error)) from error
            raise BackendError(str(error)) from error
        except BackendError as error:
            if isinstance(operation, Enqueue) and any(reply is not None for reply in replies or ()):
                why = f"some of the jobs may be stored: {error.message}"
                raise uncertain(operation.jobs, why) from _Uncertain(why)
            raise


def say(calls: Sequence[Call], known: Acquaintance) -> Conversation[None]:
    """These calls are made, which are no operation's.

    Raises:
        BackendError: As `faults` says.
    """
    yield from _together(calls, known)


def locate(partition: int, known: Acquaintance) -> Conversation[Node]:
    """The node a partition's keys are on; asked for the time if nothing was asked of it yet."""
    node = known.nodes.of(partition)
    while node is None or partition not in known.opened:
        yield from _together([Call("time", (), partition)], known)
        node = known.nodes.of(partition)  # None: another thread has heard meanwhile that it failed
    return node


class _Uncertain(Exception):
    """Nobody knows whether an enqueue took place, or not enough replicas have it."""


class _Try:
    """One call on its way."""

    def __init__(self, call: Call, commands: tuple[Command, ...]) -> None:
        self.call = call
        self.commands = commands
        self.before: tuple[Command, ...] = ()
        self.asked: Node | None = None
        self.ran = False
        self.reply: Any = None
        self.done = False


def _together(
    calls: Sequence[Call], known: Acquaintance, end: float | None = None
) -> Conversation[list[Any]]:
    """The replies of calls that are made together, until `end`, or within the timeout.

    The first time each call is simply sent; what did not go well is told by the answers.
    """
    terms, where = known.terms, known.nodes.of
    if end is None:
        end = time.monotonic() + terms.timeout
    for call in calls:
        if call.partition not in known.opened:
            yield from _open(call.partition, known, end)
    left = max(end - time.monotonic(), SHORTEST)
    nodes = [where(call.partition) for call in calls]
    if terms.replicas or None in nodes:
        return (
            yield from _until_done(
                [_Try(call, _commands(call, terms)) for call in calls], known, end
            )
        )
    sends = tuple(
        [
            Send(node, (terms.command(call),), left)
            for call, node in zip(calls, nodes, strict=True)
            if node is not None
        ]
    )
    answers = yield sends
    if all(type(answer) is list and not isinstance(answer[0], Exception) for answer in answers):
        return [answer[0] for answer in answers]
    tries = [_Try(call, send.commands) for call, send in zip(calls, sends, strict=True)]
    _learn_all(tries, tries, sends, answers, known, end)
    return (yield from _until_done(tries, known, end))


def _until_done(tries: Sequence[_Try], known: Acquaintance, end: float) -> Conversation[list[Any]]:
    """The replies of calls that are tried until each has one, or no time is left."""
    wait = faults.FIRST_WAIT
    while True:
        pending = [one for one in tries if not one.done]
        if not pending:
            return [one.reply for one in tries]
        sends = yield from _addressed(pending, known, end - time.monotonic())
        answers = yield sends
        if _learn_all(tries, pending, sends, answers, known, end - wait) == "again":
            yield Sleep(wait * (0.5 + _chance()))
            wait = min(wait * 2, faults.LONGEST_WAIT)


def _commands(call: Call, terms: Terms) -> tuple[Command, ...]:
    if terms.replicas and call.script in ENQUEUES:
        return (terms.command(call), terms.waiting(terms.timeout / 2))
    return (terms.command(call),)


def _open(partition: int, known: Acquaintance, end: float) -> Conversation[None]:
    """The server is one we can use, and so is what it holds under our names."""
    one = _Try(Call("open", (), partition), (known.terms.opening(partition),))
    yield from _until_done([one], known, end)
    terms = known.terms
    faults.checked(one.reply, known.where(partition), terms.namespace, terms.partitions)
    known.opened.add(partition)


def _addressed(
    tries: Sequence[_Try], known: Acquaintance, left: float
) -> Conversation[tuple[Send, ...]]:
    """Each call with the node to try it on; who is master is asked of the sentinels."""
    sends: list[Send] = []
    for one in tries:
        node = one.asked or known.nodes.of(one.call.partition)
        if node is None:
            node = yield from _discovered(known, left)
        sends.append(Send(node, (*one.before, *one.commands), max(left, SHORTEST)))
    return tuple(sends)


def _discovered(known: Acquaintance, left: float) -> Conversation[Node]:
    end = time.monotonic() + left
    wait = faults.FIRST_WAIT
    while True:
        left = max(end - time.monotonic(), SHORTEST)
        found: Node | Lost = yield Discover(tuple(known.nodes.sentinels), left)
        if isinstance(found, Node):
            known.nodes.found(found)
            return found
        where = known.terms.address.shown()
        refused = faults.judge(found.error, where).error
        if refused is not None:
            raise refused from found.error
        if time.monotonic() + wait >= end:
            raise faults.unavailable(where, known.terms.timeout, found.error, ran=False)
        yield Sleep(wait * (0.5 + _chance()))
        wait = min(wait * 2, faults.LONGEST_WAIT)


def _learn_all(
    tries: Sequence[_Try],
    pending: Sequence[_Try],
    sends: Sequence[Send],
    answers: Sequence[list[Any] | Lost],
    known: Acquaintance,
    latest: float,
) -> faults.Next | None:
    """What came of those that were pending; how to go on if any still is.

    Raises:
        BackendError: There is no sense in trying one of them again, or no time.
        _Uncertain: And another part of the same enqueue is stored, or may be.
    """
    problem: faults.Next | None = None
    failure: BackendError | _Uncertain | None = None
    for one, send, answer in zip(pending, sends, answers, strict=True):
        try:
            problem = _learn(one, send, answer, known, latest) or problem
        except (BackendError, _Uncertain) as error:
            failure = failure or error
    if failure is None:
        return problem
    if isinstance(failure, BackendError) and any(
        (one.done or one.ran) and one.call.script in ENQUEUES for one in tries
    ):
        raise _Uncertain(f"some of the jobs may be stored: {failure.message}") from failure
    raise failure


def _learn(
    one: _Try, send: Send, answer: list[Any] | Lost, known: Acquaintance, latest: float
) -> faults.Next | None:
    """What came of a try: its reply, or how to try again.

    Raises:
        BackendError: There is no sense in trying again, or no time.
    """
    error, sent = (answer.error, answer.sent) if isinstance(answer, Lost) else (None, True)
    if not isinstance(answer, Lost):
        replies = answer[len(one.before) :]
        error = next((reply for reply in answer if isinstance(reply, Exception)), None)
        if error is None:
            one.reply, one.done = replies[0], True
            _check_copies(one, replies, known)
            return None
    assert error is not None
    where = shown(send.node)
    fault = faults.judge(error, where)
    ran = fault.ran and sent
    one.ran = one.ran or ran
    if fault.error is not None:
        raise fault.error from error
    elsewhere = None if fault.node is None else _named(fault.node, send.node)
    one.asked = elsewhere if fault.next == "ask" else None
    one.before = (("ASKING",),) if fault.next == "ask" else ()
    if fault.next == "load":
        one.before = (("SCRIPT", "LOAD", script(one.call.script).text),)
        one.asked = send.node
    if fault.next == "moved" and elsewhere is not None:
        known.nodes.moved(one.call.partition, elsewhere)
    if fault.away:
        known.nodes.failed(send.node)
    hopeless = ran and one.call.script not in faults.REPEATABLE
    if hopeless or time.monotonic() >= latest:
        raise _given_up(one, where, known.terms, error)
    return fault.next


def _named(node: Node, by: Node) -> Node:
    """The node another one names; without a host it means its own, as the cluster's manual says."""
    return Node(by.host, node.port) if node.host in {"", "?"} else node


def _given_up(one: _Try, where: str, terms: Terms, error: Exception) -> Exception:
    failure = faults.unavailable(where, terms.timeout, error, ran=one.ran)
    if one.ran and one.call.script in ENQUEUES:
        return _Uncertain(failure.message.removesuffix(" Try again"))
    return failure


def _check_copies(one: _Try, replies: Sequence[Any], known: Acquaintance) -> None:
    """Enough replicas have what was enqueued, if that is asked for."""
    if len(one.commands) < 2 or one.reply is None:  # noqa: PLR2004 - the call and its WAIT
        return
    if replies[1] < known.terms.replicas:
        raise _Uncertain(
            f"the jobs are stored, but only {replies[1]} of {known.terms.replicas} replicas had "
            "them in time; a failover could lose them."
        )
