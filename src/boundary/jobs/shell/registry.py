"""Handlers, and what a worker finds by job type.

What belongs here: the registered functions with their options, middleware, the lifespan, and the
schedules declared in code. What does not: storing a job (`flows`), running one (`executor`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, Unpack, cast

from msgspec import Struct
from msgspec.structs import astuple

from boundary.jobs.core import schedules
from boundary.jobs.core.names import checked_name
from boundary.jobs.core.operations import MISFIRE_CAP, Fire, Misfire, Schedule
from boundary.jobs.core.wire import Millis, NewJob
from boundary.jobs.errors import DuplicateHandler, UsageError
from boundary.jobs.shell import ids, options
from boundary.jobs.shell.draft import Draft, Drafting
from boundary.jobs.shell.options import EnqueueOptions, Isolation, Options

if TYPE_CHECKING:
    from boundary.jobs.core.happenings import Happening
    from boundary.jobs.core.records import Job
    from boundary.jobs.shell.context import Context
    from boundary.jobs.shell.signature import Signature

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_ELSEWHERE = {
    **dict.fromkeys(("delay", "send", "kiq", "defer"), "{name}.enqueue(…)"),
    **dict.fromkeys(
        ("apply_async", "send_with_options", "schedule", "configure", "options"),
        "{name}.using(delay=…, queue=…).enqueue(…)",
    ),
    **dict.fromkeys(("s", "si", "signature", "message"), "jobs.enqueue_many({name}.job(…) …)"),
}
"""What other queues call it, and what it is here."""

Lifespan = Callable[[], AbstractAsyncContextManager[Any]]


class Door(Protocol):
    """What a handler needs to enqueue itself."""

    def drafting(self, job_type: str, chosen: Options) -> Drafting:
        """A maker of drafts under this door's ids and limits."""
        ...

    def send(self, draft: Draft) -> Job:
        """The job as stored; blocks."""
        ...

    async def asend(self, draft: Draft) -> Job:
        """As `send`, awaited."""
        ...


class Sender(Generic[P]):
    """A handler's enqueue under one set of options."""

    __slots__ = ("_door", "_drafting", "_signature")

    def __init__(self, door: Door, signature: Signature, drafting: Drafting) -> None:
        self._door = door
        self._signature = signature
        self._drafting = drafting

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Store a job with these arguments and return it. Blocks.

        Raises:
            TypeError: The arguments do not fit, as in a plain call; nothing was enqueued.
            SerializationError: The named argument cannot be represented in JSON.
            PayloadTooLarge: Together the arguments exceed the limit.
            BackendError: The store cannot accept the job.
        """
        return self._door.send(self.job(*args, **kwargs))

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Like `enqueue`, awaitable."""
        return await self._door.asend(self.job(*args, **kwargs))

    def job(self, *args: P.args, **kwargs: P.kwargs) -> Draft:
        """A job for `enqueue_many`; nothing is stored.

        Raises:
            TypeError, SerializationError, PayloadTooLarge: As `enqueue`.
        """
        return self._drafting.draft(self._signature.bind(args, kwargs))

    def draft(self, named: Mapping[str, Any], /) -> Draft:
        """Like `job`, with arguments by name."""
        return self._drafting.draft(self._signature.bind((), named))


class Handler(Generic[P, R_co]):
    """A function that runs jobs of one type. Calling it calls the function directly.

    Attributes:
        function: The original function.
        is_async: Whether it is awaited on the event loop; a blocking one runs in a thread.
        context_parameter: The parameter that receives the `Context`, if there is one.
        options: Default options of its jobs; an enqueue may override them.
        isolation: How it runs in a separate process; None: it does not.
    """

    def __init__(
        self,
        function: Callable[..., R_co],
        job_type: str,
        chosen: Options,
        door: Door,
        isolation: Isolation | None = None,
    ) -> None:
        _check_kind(function, job_type)
        if isolation is not None:
            _check_importable(function, job_type)
        self.isolation = isolation
        self.job_type: str = checked_name("job type", job_type)
        self.function = function
        self.options = chosen
        self.is_async: bool = is_async(function)
        from boundary.jobs.shell.signature import Signature  # here: it loads inspect

        self.signature: Signature = Signature(job_type, function)
        self.context_parameter: str | None = self.signature.context_parameter
        self._door = door
        sender: Sender[P] = Sender(door, self.signature, door.drafting(job_type, chosen))
        self._sender = sender
        self.job: Callable[P, Draft] = sender.job
        functools.update_wrapper(cast("Callable[..., Any]", self), function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function directly."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<handler {self.job_type}>"

    if not TYPE_CHECKING:  # who checks types is to see that there is no such name

        def __getattr__(self, name: str) -> Any:
            remedy = _ELSEWHERE.get(name, "").format(name=self.__dict__.get("__name__", "handler"))
            raise AttributeError(
                f"a handler has no attribute {name!r}"
                + (f"; it is {remedy} here" if remedy else ""),
                name=name,
                obj=self,
            )

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Like `Sender.enqueue`."""
        return self._sender.enqueue(*args, **kwargs)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Like `Sender.aenqueue`."""
        return await self._sender.aenqueue(*args, **kwargs)

    def using(self, **given: Unpack[EnqueueOptions]) -> Sender[P]:
        """The same handler with other options, for one enqueue or many.

        Raises:
            UsageError: An option is invalid.
        """
        chosen = options.over(self.options, given)
        return Sender(self._door, self.signature, self._door.drafting(self.job_type, chosen))

    def draft(self, named: Mapping[str, Any], /) -> Draft:
        """Like `Sender.draft`."""
        return self._sender.draft(named)

    def arguments(self, args: dict[str, Any]) -> dict[str, Any]:
        """The stored arguments, converted to the types in the function's annotations.

        Raises:
            UsageError: An argument is missing, unknown, or of another type.
        """
        return self.signature.convert(args)


class ContextHandler(Handler[P, R_co]):
    """A handler whose first parameter is the `Context`: called with it, enqueued without."""

    def __call__(  # type: ignore[override]
        self, context: Context, /, *args: P.args, **kwargs: P.kwargs
    ) -> R_co:
        """Call the function directly."""
        return self.function(context, *args, **kwargs)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives something to await."""
    import inspect

    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - an instance with an async __call__
    )


def _check_kind(function: Callable[..., Any], job_type: str) -> None:
    if isinstance(function, Handler):
        raise UsageError(f"{job_type} is a handler already; use @jobs.handler once")
    import inspect

    if not callable(function) or inspect.isclass(function):
        raise UsageError(f"a handler is a function, not {function!r:.80}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(f"{job_type} is a generator function; a handler returns its result")


def _check_importable(function: Callable[..., Any], job_type: str) -> None:
    name = getattr(function, "__qualname__", "<lambda>")
    if "<locals>" in name or "<lambda>" in name:
        raise UsageError(
            f'{job_type} has isolation="process", but {_place(function)} is inside another '
            "function, where a child process cannot find it; move it to the top of its module"
        )


class Rule(Struct, frozen=True):
    """When a schedule ticks, and what becomes of missed ticks: the fields of `Schedule`."""

    cron: str | None = None
    every_ms: int | None = None
    timezone: str = "UTC"
    misfire: Misfire = "once"
    misfire_cap: int = MISFIRE_CAP


class Declared(Struct, frozen=True):
    """A schedule written above a handler."""

    name: str
    rule: Rule
    draft: Draft


class Registry:
    """What a worker knows: handlers by job type, and what goes around them.

    Attributes:
        handlers: By job type.
        middleware: Around every run, the first outermost.
        lifespan: Opens what handlers find in `Context.state`.
        subscribers: What the program has that takes note of what happens.
    """

    def __init__(self) -> None:
        self.handlers: dict[str, Handler[..., Any]] = {}
        self.middleware: list[Callable[..., Any]] = []
        self.lifespan: Lifespan | None = None
        self.subscribers: list[Callable[[Happening], None]] = []
        self._declared: dict[str, Declared] = {}

    def copy(self, made_of: Callable[[Handler[..., Any]], Handler[..., Any]]) -> Registry:
        """Another with the same in it, its handlers as `made_of` gives them.

        What is registered in one from now on is not in the other.
        """
        other = Registry()
        other.handlers = {name: made_of(one) for name, one in self.handlers.items()}
        other.middleware = list(self.middleware)
        other.lifespan = self.lifespan
        other._declared = dict(self._declared)
        return other

    def find(self, job_type: str) -> Handler[..., Any] | None:
        """The handler of a type, or None."""
        return self.handlers.get(job_type)

    def add(self, handler: Handler[..., Any]) -> None:
        """The handler runs jobs of its type.

        Raises:
            DuplicateHandler: The type has a handler.
        """
        known = self.handlers.get(handler.job_type)
        if known is not None:
            raise DuplicateHandler(
                f"job type {handler.job_type!r} has a handler already ({_place(known.function)}); "
                f"give {_place(handler.function)} another name, as in @jobs.handler(name=…)"
            )
        self.handlers[handler.job_type] = handler

    def add_middleware(self, function: Callable[..., Any]) -> None:
        """The function is around every run, inside those before it.

        Raises:
            UsageError: It is not async.
        """
        if not is_async(function):
            raise UsageError(
                f"middleware is `async def`, as {_place(function)} is not; write "
                "`async def mw(ctx, call_next): return await call_next(ctx)`"
            )
        self.middleware.append(function)

    def set_lifespan(self, function: Callable[..., Any]) -> None:
        """Each worker opens this before its first job and closes it after its last.

        Raises:
            UsageError: There is one.
        """
        if self.lifespan is not None:
            raise UsageError("there is a lifespan already; open everything in one function")
        import inspect

        is_bare = inspect.isasyncgenfunction(function)
        self.lifespan = asynccontextmanager(function) if is_bare else function

    @property
    def declared(self) -> tuple[str, ...]:
        """The names of the schedules declared in code."""
        return tuple(self._declared)

    def declare(self, handler: Handler[..., Any], rule: Rule, name: str | None = None) -> None:
        """Workers keep a schedule for the handler, named after its job type unless given a name.

        Raises:
            UsageError: The handler needs arguments, or the name is taken or is none.
        """
        try:
            draft = handler.job()
        except TypeError as error:
            raise UsageError(
                f"a tick calls {handler.job_type} without arguments, but {error}; give them "
                "defaults, or use jobs.schedule(…, args=…)"
            ) from error
        if name is None:
            name = self._free_name(handler.job_type)
        elif checked_name("schedule", name) in self._declared:
            raise UsageError(f"a schedule {name} is declared already; give this one another name")
        self._declared[name] = Declared(name, rule, draft)

    def _free_name(self, job_type: str) -> str:
        name, number = job_type, 1
        while name in self._declared:
            number += 1
            name = f"{job_type}.{number}"
        return name

    def schedules(self, now: Millis) -> list[Schedule]:
        """The schedules declared in code, with their next ticks after now."""
        return [schedule_of(one.name, one.draft, one.rule, now) for one in self._declared.values()]


def schedule_of(name: str, draft: Draft, rule: Rule, now: Millis) -> Schedule:
    """A schedule of jobs like this draft, before its first tick after now.

    Raises:
        CronError: The expression or the zone is wrong, or it never ticks.
    """
    new = draft.new
    next_at = schedules.first_tick(rule.cron, rule.every_ms, rule.timezone, now)
    return Schedule(
        name, new.job_type, new.queue, new.priority, new.payload, next_at, *astuple(rule)
    )


def fires_of(schedule: Schedule, now: Millis) -> list[Fire]:
    """What to ask of the store for a schedule that is due, one after another.

    Each is refused if another worker was there first, and then so are the following.

    Raises:
        CronError: Its expression or zone is not understood here.
    """
    due = schedules.due(schedule, now)
    stands = schedule.next_at or 0
    if not due.ticks:
        return [Fire(schedule.name, stands, due.next_at, None)]
    fires: list[Fire] = []
    for tick, following in zip(due.ticks, (*due.ticks[1:], due.next_at), strict=True):
        fires.append(Fire(schedule.name, stands, following, _job_of_tick(schedule, tick)))
        stands = following
    return fires


def _job_of_tick(schedule: Schedule, tick: Millis) -> NewJob:
    id = ids.of_tick(schedule.name, tick)
    return NewJob(id, schedule.job_type, schedule.queue, schedule.priority, schedule.payload)


def _place(function: Any) -> str:
    """Where a function is written, for people."""
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", repr(function))
    return name if code is None else f"{name}, {code.co_filename}:{code.co_firstlineno}"
