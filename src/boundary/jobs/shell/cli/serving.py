"""The command that serves the dashboard."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from boundary.jobs.errors import UsageError
from boundary.jobs.shell.cli.codes import REFUSED
from boundary.jobs.shell.cli.terminal import Terminal

if TYPE_CHECKING:
    from types import FrameType

    from boundary.jobs import Jobs

PORT = 8210


def dashboard(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own needs --token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65_535, help="0: a free one.")
    ] = PORT,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="BOUNDARY_JOBS_DASHBOARD_TOKEN",
            help="The operators' token; in the environment it does not show in process lists.",
            show_envvar=True,
        ),
    ] = None,
    viewer_token: Annotated[
        str | None,
        typer.Option(
            envvar="BOUNDARY_JOBS_DASHBOARD_VIEWER_TOKEN",
            help="The token of viewers, who may look but not act.",
            show_envvar=True,
        ),
    ] = None,
) -> None:
    """Serve the dashboard and the API, until Ctrl-C."""
    terminal: Terminal = context.obj
    check_host(host, token)
    if viewer_token is not None and token is None:
        raise UsageError("--viewer-token needs --token beside it, or nobody could act")
    with terminal.jobs() as jobs:
        listening = bind(terminal, host, port)
        terminal.out.print(f"dashboard {address_of(listening, host)}", soft_wrap=True)
        terminal.err.print(f"[dim]store {jobs.store.url}; Ctrl-C ends it[/dim]", soft_wrap=True)
        serve(jobs, listening, token, viewer_token)


def check_host(host: str, token: str | None) -> None:
    """Go on only if nobody from another machine could act without saying who they are.

    Raises:
        UsageError: Somebody could.
    """
    if token is None and not _is_loopback(host):
        raise UsageError(
            f"on {host} other machines could reach the dashboard and nobody would have to say who "
            "they are; add --token, or leave out --host"
        )


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def bind(terminal: Terminal, host: str, port: int) -> socket.socket:
    """A socket that listens there; without one, the command ends and says why."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            terminal.fail(
                f"port {port} of {host} is in use; choose another with --port, or --port 0 for a "
                "free one",
                REFUSED,
            )
        terminal.fail(f"cannot listen on {host}, port {port}: {error.strerror or error}", REFUSED)


def address_of(listening: socket.socket, host: str) -> str:
    """What to type into a browser."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listening.getsockname()[1]}/"


def serve(
    jobs: Jobs, listening: socket.socket, token: str | None, viewer_token: str | None
) -> None:
    """The app answers there until a signal ends it.

    Raises:
        UsageError: The extra ``web`` is missing.
    """
    from boundary.jobs.web import TokenAuth, create_app

    try:
        import uvicorn
    except ModuleNotFoundError as missing:
        raise UsageError(
            "the dashboard needs what the extra 'web' brings: pip install 'boundary-jobs[web]'"
        ) from missing
    app = create_app(jobs, None if token is None else TokenAuth(token, viewer_token))
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=1,
    )

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            app.state.hub.end()  # whoever watches a page would keep it waiting
            super().handle_exit(sig, frame)

    with contextlib.suppress(KeyboardInterrupt):
        Server(config).run(sockets=[listening])
