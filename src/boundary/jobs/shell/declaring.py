"""What a program declares: its handlers, their schedules, and what is around them.

What belongs here: the decorators of `Jobs`. What does not: what they fill (`registry`), and calls
that reach a store (`client`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from boundary.jobs.core.operations import MISFIRE_CAP, Misfire
from boundary.jobs.errors import UsageError
from boundary.jobs.shell import options, schedule_flows
from boundary.jobs.shell.context import Context
from boundary.jobs.shell.options import HandlerOptions, Isolation, Options
from boundary.jobs.shell.registry import ContextHandler, Door, Handler, Registry, Rule
from boundary.jobs.shell.telemetry.stream import Voice

if TYPE_CHECKING:
    from boundary.jobs.core.events import EventType
    from boundary.jobs.ports import Clock
    from boundary.jobs.shell.telemetry.hooks import Hooks

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
H = TypeVar("H", bound=Handler[..., Any])
F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:
    # What only a type checker reads.

    class _Anything:
        """What only a parameter typed `Any` or `object`, or not at all, would take."""

    class _Named(Protocol[R_co]):
        def __call__(self, first: Any, /, *, ctx: Context) -> R_co: ...

    Loose: TypeAlias = (
        Callable[Concatenate[_Anything, ...], R]
        | Callable[[Any, Context], R]
        | Callable[[Any, Any, Context], R]
        | Callable[[Any, Any, Any, Context], R]
        | Callable[[Any, Any, Any, Any, Context], R]
        | _Named[R]
    )
    """Functions of which types cannot say what an enqueue takes; see `docs/decisions/0001`."""

    class Decorator(Protocol):
        """What `jobs.handler(…)` with options returns."""

        @overload
        def __call__(  # pyright: ignore[reportOverlappingOverload] - no function fits both
            self, function: Loose[R], /
        ) -> Handler[..., R]: ...
        @overload
        def __call__(
            self, function: Callable[Concatenate[Context, P], R], /
        ) -> ContextHandler[P, R]: ...
        @overload
        def __call__(self, function: Callable[P, R], /) -> Handler[P, R]: ...


class Declaring(Door):
    """The decorators of `Jobs`.

    Attributes:
        registry: Handlers and schedules, as a worker sees them.
        voice: Publishes the events that calls cause.
    """

    def __init__(self, clock: Clock) -> None:
        self.registry: Registry = Registry()
        self.voice: Voice = Voice()
        self._clock = clock
        self._hooks: Hooks | None = None

    @overload
    def handler(  # pyright: ignore[reportOverlappingOverload] - as above
        self, function: Loose[R], /
    ) -> Handler[..., R]: ...
    @overload
    def handler(
        self, function: Callable[Concatenate[Context, P], R], /
    ) -> ContextHandler[P, R]: ...
    @overload
    def handler(self, function: Callable[P, R], /) -> Handler[P, R]: ...
    @overload
    def handler(self, name: str | None = None, **given: Unpack[HandlerOptions]) -> Decorator: ...
    def handler(self, name: Any = None, **given: Any) -> Any:
        """Register the decorated function as the handler of a job type.

        Use it bare (``@jobs.handler``) or with options; see `HandlerOptions`.

        Args:
            name: The job type; None: the function's name.

        Raises:
            UsageError: An option is invalid, or the function takes `*args` or positional-only
                parameters.
            DuplicateHandler: The type already has a handler.
        """
        if callable(name):
            if given:
                raise UsageError("write @jobs.handler bare, or @jobs.handler(…) with options")
            return self._register(name, None, Options(), None)
        isolation, rest = options.isolation(given)
        chosen = options.over(Options(), options.of_many(rest))

        def register(function: Callable[..., Any]) -> Handler[..., Any]:
            return self._register(function, name, chosen, isolation)

        return register

    def _register(
        self,
        function: Callable[..., Any],
        name: str | None,
        chosen: Options,
        isolation: Isolation | None,
    ) -> Handler[..., Any]:
        job_type = getattr(function, "__name__", repr(function)) if name is None else name
        made: Handler[..., Any] = Handler(function, job_type, chosen, self, isolation)
        self.registry.add(made)
        return made

    def cron(
        self,
        expression: str,
        *,
        timezone: str = "UTC",
        name: str | None = None,
        misfire: Misfire = "once",
        misfire_cap: int = MISFIRE_CAP,
    ) -> Callable[[H], H]:
        """Run the decorated handler at each tick, once, however many workers there are.

        Workers write the schedule to the store when they start. An operator's edit lasts until the
        declaration here changes; a pause lasts until it is resumed.

        Args:
            expression: Five fields, six with seconds first, or an alias such as ``@daily``.
            timezone: The IANA time zone in which the expression is read.
            name: The schedule's name; None: the job type, then that with ``.2`` and so on.
            misfire: What to do about ticks no worker fired in time: ``once`` (one job, for the
                latest), ``skip`` (none, if the latest is more than a minute ago) or ``all`` (one
                job each, for the latest `misfire_cap`).
            misfire_cap: 1 to 1,000.

        Raises:
            CronError: The expression or the time zone is invalid, or it never ticks.
            UsageError: Another argument is invalid.
        """
        return self._declare(
            "cron",
            name,
            schedule_flows.rule_of(
                cron=expression,
                every=None,
                timezone=timezone,
                misfire=misfire,
                misfire_cap=misfire_cap,
            ),
        )

    def every(
        self,
        interval: float | timedelta,
        *,
        name: str | None = None,
        misfire: Misfire = "once",
        misfire_cap: int = MISFIRE_CAP,
    ) -> Callable[[H], H]:
        """Run the decorated handler once per interval, however many workers there are.

        Like `cron`, but with an interval, in seconds or as a timedelta; it begins when the first
        worker writes it to the store.

        Raises:
            UsageError: An argument is invalid.
        """
        return self._declare(
            "every",
            name,
            schedule_flows.rule_of(
                cron=None,
                every=interval,
                timezone="UTC",
                misfire=misfire,
                misfire_cap=misfire_cap,
            ),
        )

    def _declare(self, door: str, name: str | None, rule: Rule) -> Callable[[H], H]:
        from boundary.jobs.core import schedules  # here: few programs have schedules

        schedules.first_tick(rule.cron, rule.every_ms, rule.timezone, self._clock.now())

        def declare(handler: H) -> H:
            if not isinstance(cast("object", handler), Handler):
                raise UsageError(f"put @jobs.{door} above @jobs.handler, not below")
            self.registry.declare(handler, rule, name)
            return handler

        return declare

    def middleware(self, function: F) -> F:
        """Wrap every run in the decorated ``async def mw(ctx, call_next)``, the first outermost.

        Raises:
            UsageError: The function is not async.
        """
        self.registry.add_middleware(function)
        return function

    @overload
    def on_event(self, function: F, /) -> F: ...
    @overload
    def on_event(self, *types: EventType) -> Callable[[F], F]: ...
    def on_event(self, *given: Any) -> Any:
        """Call the decorated function for events of jobs in this process.

        Use it bare (``@jobs.on_event``) or with event types (``@jobs.on_event("dead", "failed")``).
        The function takes the `Event` and, if it has a second parameter, the exception the handler
        raised (for ``retrying``, ``failed`` and ``dead``; else None). Hooks run in a separate
        thread; what they raise is logged and does not affect the job. If they are too slow, events
        are dropped.

        Raises:
            UsageError: An event type is unknown, or the function is async or takes other arguments.
        """
        from boundary.jobs.core.events import checked_types
        from boundary.jobs.shell.telemetry.hooks import Hooks, hook_of  # here: few have hooks

        bare = len(given) == 1 and callable(given[0])
        types = None if bare or not given else checked_types(given)

        def add(function: Any) -> Any:
            hook = hook_of(function, types)
            if self._hooks is None:
                self._hooks = Hooks()
                self.registry.subscribers.append(self._hooks)
                self.voice.stream.subscribe(self._hooks)
            self._hooks.add(hook)
            return function

        return add(given[0]) if bare else add

    def lifespan(self, function: F) -> F:
        """Make what the decorated async generator yields available as `Context.state`.

        Each worker opens it before its first job and closes it after its last.

        Raises:
            UsageError: There is already a lifespan.
        """
        self.registry.set_lifespan(function)
        return function
