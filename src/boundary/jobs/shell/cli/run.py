"""Commands that start something which goes on: a worker, the demo, a measurement."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from boundary.jobs import Jobs
from boundary.jobs.errors import BackendError, UsageError
from boundary.jobs.shell import logs
from boundary.jobs.shell.child import Line
from boundary.jobs.shell.cli.processes import supervise, work_alone, work_as_child
from boundary.jobs.shell.cli.terminal import USAGE, Terminal

if TYPE_CHECKING:
    from boundary.jobs.shell.worker import Worker

log: logging.Logger = logging.getLogger("boundary.jobs")


def worker(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE[:NAME]",
            help="Where your handlers are: tasks, tasks.py, app.tasks:jobs.",
        ),
    ],
    queues: Annotated[
        str | None,
        typer.Option(
            help="Served in this order: critical,default; or by weight: critical:6,default:3."
        ),
    ] = None,
    concurrency: Annotated[
        str | None,
        typer.Option(
            "--concurrency",
            "-c",
            help="Jobs at once: a number, auto, or auto within bounds: auto:2-200.",
        ),
    ] = None,
    queue_concurrency: Annotated[
        str | None, typer.Option(help="Of these queues at most so many: reports=2,mail=4.")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option("--processes", "-p", min=1, max=1000, help="Worker processes."),
    ] = None,
    max_jobs: Annotated[
        int | None, typer.Option(min=0, help="Replace a process after so many jobs.")
    ] = None,
    max_memory: Annotated[
        str | None, typer.Option(help="Replace a process that has more memory: 512M, 2G.")
    ] = None,
    burst: Annotated[bool, typer.Option("--burst", help="Leave when nothing is ready.")] = False,
    reload: Annotated[
        bool, typer.Option("--reload", help="Start anew when Python files here change.")
    ] = False,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    log_format: Annotated[
        str, typer.Option(help="text, json, or auto: text on a terminal, else json.")
    ] = "auto",
    health_port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_535,
            help="Answer /live, /ready and /metrics there; of several processes each at the next.",
        ),
    ] = None,
) -> None:
    """Run jobs with the handlers of a module, until Ctrl-C."""
    terminal: Terminal = context.obj
    if terminal.config is not None:
        raise UsageError(
            "a worker runs with the settings of the module's own Jobs; write "
            "Jobs(config=...) there, or put the file here as boundary-jobs.toml"
        )
    _configure_logs(terminal, log_level, log_format)
    if terminal.url is not None:
        # The module's own Jobs() finds it there.
        os.environ["BOUNDARY_JOBS_URL"] = terminal.url
    line = Line.of_environment()
    if line is None and (reload or (processes or 1) > 1):
        raise typer.Exit(supervise(terminal.arguments, processes or 1, reload=reload))
    jobs = load(target)
    names, weights = served(queues)
    made = jobs.worker(
        queues=names,
        weights=weights,
        concurrency=int(concurrency) if concurrency and concurrency.isdecimal() else concurrency,
        queue_concurrency=None if queue_concurrency is None else limits(queue_concurrency),
        max_jobs=max_jobs,
        max_memory=None if max_memory is None else _bytes(max_memory),
    )
    count = processes or jobs.settings.workers.count
    if line is None and (count > 1 or made.setup.max_jobs or made.setup.max_memory):
        raise typer.Exit(supervise(terminal.arguments, count, reload=False))
    if line is None or line.number == 1:
        _banner(terminal, jobs, made, count, burst=burst)
    with jobs:
        if line is None:
            work_alone(made, terminal.arguments, burst=burst, health_port=health_port)
        else:
            work_as_child(made, line, burst=burst, health_port=health_port)


def _bytes(text: str) -> int:
    """A size as a person writes it: 512M, 2G, 1073741824."""
    number, unit = text[:-1], text[-1:].upper()
    if unit.isdigit():
        number, unit = text, ""
    try:
        power = {"": 0, "K": 10, "M": 20, "G": 30}[unit]
        return round(float(number) * 2.0**power)
    except (KeyError, ValueError, OverflowError):
        raise UsageError(f"--max-memory is a size such as 512M or 2G, not {text!r}") from None


def _configure_logs(terminal: Terminal, level: str, form: str) -> None:
    if form not in {"auto", "text", "json"}:
        raise UsageError(f"--log-format is auto, text or json, not {form!r}")
    if form == "auto":
        form = "text" if terminal.err.is_terminal else "json"
    try:
        logs.configure(
            level,
            cast("Literal['text', 'json']", form),
            # A number of its own: a handler that closes standard error does not end the log.
            os.fdopen(os.dup(2), "w", buffering=1),
            color=terminal.err.is_terminal and not terminal.err.no_color,
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


def _banner(terminal: Terminal, jobs: Jobs, made: Worker, processes: int, *, burst: bool) -> None:
    known = ", ".join(sorted(jobs.registry.handlers)) or "none"
    setup = made.setup
    queues = [f"{name} (weight {weight})" for name, weight in setup.weights] or setup.queues
    shown = ", ".join(queues or ()) or "all"
    slots = f"{setup.concurrency} jobs"
    if setup.bounds is not None:
        slots = f"{setup.bounds[0]} to {setup.bounds[1]} jobs, as the load allows"
    slots += "".join(f", {most} of {name}" for name, most in setup.limits)
    end = (
        "leaves when nothing is ready"
        if burst
        else "Ctrl-C lets running jobs end, twice stops at once"
    )
    each = f" in each of {processes} processes" if processes > 1 else ""
    process = os.getpid() if processes == 1 else os.getppid()
    for name, value in (
        ("store", jobs.store.url),
        ("queues", shown),
        ("handlers", known),
        ("at once", f"{slots}{each}"),
        ("process", f"{process}; {end}"),
    ):
        terminal.err.print(f"[dim]{name:>9}[/dim]", end=" ")
        terminal.err.print(value, markup=False, soft_wrap=True)


def load(target: str) -> Jobs:
    """The `Jobs` a target names.

    Raises:
        UsageError: There is no such module, or not one `Jobs` in it.
    """
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
    raise typer.Exit(USAGE)


def _show_users_traceback(error: BaseException) -> None:
    trace: TracebackType | None = error.__traceback__
    ours = (str(Path(__file__).parent), "<frozen importlib", importlib.__file__)
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(ours):
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


def demo(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Where its files go; else a temporary folder.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave files and jobs there.")] = False,
    capture: Annotated[Path | None, typer.Option("--capture", hidden=True)] = None,
) -> None:
    """See it run: half a minute in a small shop; on a file, or on --url in a namespace of its own."""
    from boundary.jobs.shell.cli.demo.show import run_demo

    run_demo(context.obj, folder=folder, keep=keep, capture=capture)


def bench(
    context: typer.Context,
    count: Annotated[int, typer.Option("--jobs", min=100, help="Jobs to run.")] = 20_000,
) -> None:
    """Measure: enqueue and run jobs that do nothing, on a temporary file or the --url given."""
    from boundary.jobs.shell.cli.bench import measure

    terminal: Terminal = context.obj
    try:
        terminal.out.print(measure(terminal, count))
    except BackendError as error:
        terminal.fail(error.message, 3)
