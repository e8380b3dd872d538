"""What `boundary-jobs worker` does once it knows what it was asked.

What belongs here: from the options to a worker at work. What does not: reading them (`run`, `plain`),
and the libraries that make a terminal beautiful: a worker process would carry them all its life.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Literal, cast

from msgspec import Struct

from boundary.jobs import Jobs
from boundary.jobs.errors import UsageError
from boundary.jobs.shell import connect, logs
from boundary.jobs.shell.child import Line
from boundary.jobs.shell.cli.codes import IN_MEMORY, USAGE
from boundary.jobs.shell.cli.processes import supervise, work_alone, work_as_child
from boundary.jobs.shell.settings import shown_url
from boundary.jobs.shell.sizes import size

if TYPE_CHECKING:
    from boundary.jobs.shell.worker import Worker


class Orders(Struct, frozen=True, kw_only=True):
    """The options of the command, as they were written.

    Attributes:
        arguments: All words of the command: what a child process is started with.
        url, config, no_color: Of the whole command.
    """

    arguments: tuple[str, ...]
    target: str
    url: str | None = None
    config: Path | None = None
    no_color: bool = False
    queues: str | None = None
    concurrency: str | None = None
    queue_concurrency: str | None = None
    processes: int | None = None
    max_jobs: int | None = None
    max_memory: str | None = None
    burst: bool = False
    reload: bool = False
    log_level: str = "info"
    log_format: str = "auto"
    health_port: int | None = None


def work(orders: Orders) -> int:
    """Run jobs until the worker is told to leave. The exit code.

    Raises:
        UsageError: An option is not what it may be.
    """
    if orders.config is not None:
        raise UsageError(
            "a worker runs with the settings of the module's own Jobs; write "
            "Jobs(config=...) there, or put the file here as boundary-jobs.toml"
        )
    _configure_logs(orders)
    line = Line.of_environment()
    if line is None and (orders.reload or (orders.processes or 1) > 1):
        return supervise(orders.arguments, orders.processes or 1, reload=orders.reload)
    jobs = load(orders.target, orders.url)
    worker = made(jobs, orders)
    count = orders.processes or jobs.settings.workers.count
    if line is None and (count > 1 or worker.setup.max_jobs or worker.setup.max_memory):
        return supervise(orders.arguments, count, reload=False)
    if line is None or line.number == 1:
        _introduce(orders, jobs, worker, count)
    with jobs:
        if line is None:
            work_alone(worker, orders.arguments, burst=orders.burst, health_port=orders.health_port)
        else:
            work_as_child(worker, line, burst=orders.burst, health_port=orders.health_port)
    return 0


def made(jobs: Jobs, orders: Orders) -> Worker:
    """The worker these orders ask for.

    Raises:
        UsageError: An option is not what it may be.
    """
    names, weights = served(orders.queues)
    slots, memory = orders.concurrency, orders.max_memory
    return jobs.worker(
        queues=names,
        weights=weights,
        concurrency=int(slots) if slots and slots.isdecimal() else slots,
        queue_concurrency=None
        if orders.queue_concurrency is None
        else limits(orders.queue_concurrency),
        max_jobs=orders.max_jobs,
        max_memory=None if memory is None else _bytes(memory),
    )


def _on_terminal() -> bool:
    return bool(os.environ.get("FORCE_COLOR")) or sys.stderr.isatty()


def _has_color(orders: Orders) -> bool:
    plain = orders.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return _on_terminal() and not plain


def _bytes(text: str) -> int:
    """A size as a person writes it."""
    number = size(text)
    if number is None:
        raise UsageError(f"--max-memory is a size such as 512M or 2 GiB, not {text!r}")
    return number


def _configure_logs(orders: Orders) -> None:
    level, form = orders.log_level, orders.log_format
    if form not in {"auto", "text", "json"}:
        raise UsageError(f"--log-format is auto, text or json, not {form!r}")
    if form == "auto":
        form = "text" if _on_terminal() else "json"
    try:
        logs.configure(
            level,
            cast("Literal['text', 'json']", form),
            # A number of its own: a handler that closes standard error does not end the log.
            os.fdopen(os.dup(2), "w", buffering=1),
            color=_has_color(orders),
        )
    except ValueError:
        raise UsageError(f"--log-level is debug, info, warning or error, not {level!r}") from None


def served(queues: str | None) -> tuple[list[str] | None, dict[str, int] | None]:
    """What --queues says: an order, or weights.

    Raises:
        UsageError: Some have a weight and some have none.
    """
    if queues is None:
        return None, None
    words = [word.strip() for word in queues.split(",") if word.strip()]
    pairs = [word.rpartition(":") for word in words]
    weighted = [bool(name) and weight.isdecimal() for name, _, weight in pairs]
    if not any(weighted):
        return words, None
    if not all(weighted):
        plain = words[weighted.index(False)]
        raise UsageError(
            f"--queues is an order (critical,default) or has a weight for each queue "
            f"(critical:6,default:3); {plain!r} has none"
        )
    return None, {name: int(weight) for name, _, weight in pairs}


def limits(text: str) -> dict[str, int]:
    """What --queue-concurrency says.

    Raises:
        UsageError: It is not of the form reports=2,mail=4.
    """
    pairs = [word.strip().rpartition("=") for word in text.split(",") if word.strip()]
    wrong = [word for word in pairs if not (word[0] and word[2].isdecimal())]
    if wrong or not pairs:
        shown = "".join(wrong[0]) if wrong else text
        raise UsageError(f"--queue-concurrency is of the form reports=2,mail=4, not {shown!r}")
    return {name: int(number) for name, _, number in pairs}


def _introduce(orders: Orders, jobs: Jobs, made: Worker, processes: int) -> None:
    """Say on standard error what will run, and how to end it."""
    known = ", ".join(sorted(jobs.registry.handlers)) or (
        f"none, so its jobs wait; name a module that imports those with handlers, not {orders.target}"
    )
    setup = made.setup
    queues = [f"{name} (weight {weight})" for name, weight in setup.weights] or setup.queues
    slots = f"{setup.concurrency} jobs"
    if setup.bounds is not None:
        slots = f"{setup.bounds[0]} to {setup.bounds[1]} jobs, as the load allows"
    slots += "".join(f", {most} of {name}" for name, most in setup.limits)
    end = (
        "leaves when nothing is ready"
        if orders.burst
        else "Ctrl-C lets running jobs end, twice stops at once"
    )
    each = f" in each of {processes} processes" if processes > 1 else ""
    process = os.getpid() if processes == 1 else os.getppid()
    dim, plain = ("\x1b[2m", "\x1b[0m") if _has_color(orders) else ("", "")
    for name, value in (
        ("store", jobs.store.url),
        ("queues", ", ".join(queues or ()) or "all"),
        ("handlers", known),
        ("at once", f"{slots}{each}"),
        ("process", f"{process}; {end}"),
    ):
        sys.stderr.write(f"{dim}{name:>9}{plain} {value}\n")
    sys.stderr.flush()


def load(target: str, url: str | None) -> Jobs:
    """The `Jobs` a target names.

    Args:
        url: The store it is to be on; None: on its own.

    Raises:
        UsageError: There is no such module, or not one `Jobs` in it, or it is on another store.
    """
    if url is not None:
        if connect.in_memory(url):
            raise UsageError(IN_MEMORY)
        # The module's own Jobs() finds it there.
        os.environ["BOUNDARY_JOBS_URL"] = connect.checked_url(url)
    found = _named(target)
    own = found.settings.url
    if url is not None and not connect.same_place(own, url):
        raise UsageError(
            f"--url is {shown_url(url)}, and the Jobs of {target} is on {shown_url(own)}, which it "
            "names itself; leave its URL out there (it reads --url and BOUNDARY_JOBS_URL then), or "
            "leave out --url"
        )
    return found


def _named(target: str) -> Jobs:
    name, _, attribute = target.partition(":")
    if name.endswith(".py"):
        name = name.removesuffix(".py").replace(os.sep, ".").lstrip(".")
    sys.path.insert(0, str(Path.cwd()))
    module = _import(name)
    if attribute:
        found = getattr(module, attribute, None)
        if isinstance(found, Jobs):
            return found
        there = ", ".join(sorted(_candidates(module))) or "none"
        raise UsageError(f"{name} has no Jobs called {attribute}; those it has: {there}")
    return _only_one(module, name)


def _candidates(module: ModuleType) -> dict[str, Jobs]:
    return {key: value for key, value in vars(module).items() if isinstance(value, Jobs)}


def _only_one(module: ModuleType, name: str) -> Jobs:
    found = _candidates(module)
    if len(set(map(id, found.values()))) == 1:
        return next(iter(found.values()))
    if not found:
        raise UsageError(f"{name} has no Jobs; write `jobs = Jobs()` in it and register handlers")
    raise UsageError(
        f"{name} has several Jobs ({', '.join(sorted(found))}); name one: {name}:{min(found)}"
    )


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(
                f"there is no module {error.name!r} here ({Path.cwd()}); name it as you would "
                "import it, from the folder it is in"
            ) from None
        _show_users_traceback(error)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        _show_users_traceback(error)
    raise SystemExit(USAGE)


def _show_users_traceback(error: BaseException) -> None:
    trace: TracebackType | None = error.__traceback__
    ours = (str(Path(__file__).parent), "<frozen importlib", importlib.__file__)
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(ours):
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)
