"""Commands that start something which goes on: a worker, the demo, a measurement."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from boundary.jobs.errors import BackendError
from boundary.jobs.shell.cli.look import Json
from boundary.jobs.shell.cli.terminal import Terminal
from boundary.jobs.shell.cli.working import Orders, work


def worker(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE[:NAME]",
            help="The module with your handlers: tasks, tasks.py, app.tasks:jobs.",
        ),
    ],
    queues: Annotated[
        str | None,
        typer.Option(
            help="Serve in this order: critical,default; or by weight: critical:6,default:3."
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
        str | None, typer.Option(help="Most jobs at once per queue: reports=2,mail=4.")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option("--processes", "-p", min=1, max=1000, help="Number of worker processes."),
    ] = None,
    max_jobs: Annotated[
        int | None, typer.Option(min=0, help="Replace a process after this many jobs.")
    ] = None,
    max_memory: Annotated[
        str | None,
        typer.Option(help="Replace a process that uses more memory: 512M, 2G; M is MiB."),
    ] = None,
    burst: Annotated[bool, typer.Option("--burst", help="Exit when nothing is ready.")] = False,
    reload: Annotated[
        bool, typer.Option("--reload", help="Restart when Python files here change.")
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
            help="Serve /live, /ready and /metrics there; each further process on the next port.",
        ),
    ] = None,
) -> None:
    """Run jobs with the handlers of a module, until Ctrl-C."""
    terminal: Terminal = context.obj
    code = work(
        Orders(
            arguments=terminal.arguments,
            url=terminal.url,
            config=terminal.config,
            no_color=not terminal.color,
            target=target,
            queues=queues,
            concurrency=concurrency,
            queue_concurrency=queue_concurrency,
            processes=processes,
            max_jobs=max_jobs,
            max_memory=max_memory,
            burst=burst,
            reload=reload,
            log_level=log_level,
            log_format=log_format,
            health_port=health_port,
        )
    )
    raise typer.Exit(code)


def demo(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Where to put its files; default: a temporary folder."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep its files and jobs.")] = False,
    capture: Annotated[Path | None, typer.Option("--capture", hidden=True)] = None,
) -> None:
    """See it run: half a minute in a small shop; on a file, or on --url in a namespace of its own."""
    from boundary.jobs.shell.cli.demo.show import run_demo

    run_demo(context.obj, folder=folder, keep=keep, capture=capture)


def bench(
    context: typer.Context,
    count: Annotated[int, typer.Option("--jobs", min=100, help="Jobs to run.")] = 20_000,
    as_json: Json = False,
) -> None:
    """Measure: enqueue and run jobs that do nothing, on a temporary file or the --url given."""
    from boundary.jobs.shell.cli.bench import measure, table

    terminal: Terminal = context.obj
    try:
        found = measure(terminal, count, quiet=as_json)
    except BackendError as error:
        terminal.fail(error.message, 3)
    terminal.json(found) if as_json else terminal.out.print(table(found))
