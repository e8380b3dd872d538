"""A worker's health port: ``/live``, ``/ready`` and ``/metrics``.

What belongs here: a small HTTP server in a thread of its own, so that it answers while a handler
blocks the event loop. What does not: what metrics there are (`exposition`).
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from boundary.jobs.errors import UsageError
from boundary.jobs.shell.logs import one_line
from boundary.jobs.shell.telemetry.meter import Meter

if TYPE_CHECKING:
    from types import TracebackType

    from boundary.jobs.ports import Store
    from boundary.jobs.shell.telemetry.exposition import Exposition

log: logging.Logger = logging.getLogger("boundary.jobs")

SILENCE: Final = 30.0
"""Seconds after which a worker is not ready: of no contact with its store, or of claims that all failed."""

PATIENCE: Final = 5.0
"""Seconds a client may take to ask."""

MISSING: Final = (
    "metrics need the extra: pip install 'boundary-jobs[metrics]' (/live and /ready do not)\n"
)


class Vitals:
    """What the store last made of this worker's calls; from any thread."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._failing_since: float | None = None
        self._failed: float = 0.0

    def contact(self) -> None:
        """The store took a claim, an outcome or a heartbeat just now."""
        self._last = time.monotonic()

    def claim_succeeded(self) -> None:
        """The store took a claim just now, whether or not there was a job."""
        self._failing_since = None
        self.contact()

    def claim_failed(self) -> None:
        """A claim failed just now."""
        self._failed = time.monotonic()
        if self._failing_since is None:
            self._failing_since = self._failed

    def silence(self) -> float | None:
        """For how many seconds the store has taken nothing; None: it never did."""
        return None if self._last is None else time.monotonic() - self._last

    def failing(self) -> float:
        """For how many seconds claims have failed, all of them; 0: they do not.

        One that does not claim (its slots are full, or it was told to be quiet) says nothing by that: what
        failed before is forgotten after a while.
        """
        since, now = self._failing_since, time.monotonic()
        return 0.0 if since is None or now - self._failed > SILENCE else now - since


class Answer(NamedTuple):
    """What a request gets."""

    status: HTTPStatus
    body: bytes
    kind: str = "text/plain; charset=utf-8"


LOOK = 0.05
"""Seconds between looks whether it is to end; a worker that leaves waits for one."""

RETRY = 0.2
"""Seconds between tries to have a port that another process still has."""


class Health:
    """Serves while its `with` block lasts.

    Args:
        host, port: Where it listens.
        waits: The port is another process's for a while yet: serve when it is free.

    Attributes:
        vitals: To be told of contact with the store.
        meter: Takes note of what happens.

    Raises:
        UsageError: It cannot listen there.
    """

    def __init__(self, host: str, port: int, store: Store, *, waits: bool = False) -> None:
        self.vitals: Vitals = Vitals()
        self.meter: Meter = Meter()
        self._exposition = _exposition(self.meter, store)
        self._ending = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._place = host, port
        if not waits:
            try:
                self._server = _server(host, port, self)
            except OSError as error:
                raise UsageError(
                    f"the health port {host}:{port} cannot be used ({error.strerror or error}); "
                    "choose another one by --health-port or workers.health_port, each process "
                    "needs its own"
                ) from error
        self._thread = threading.Thread(
            target=self._serve, name="boundary-jobs-health", daemon=True
        )

    def _serve(self) -> None:
        while self._server is None and not self._ending.wait(RETRY):
            with contextlib.suppress(OSError):
                self._server = _server(*self._place, self)
        if self._server is not None:
            self._server.serve_forever(poll_interval=LOOK)

    def answer(self, path: str) -> Answer:
        """What somebody gets who asks for this path."""
        match path.partition("?")[0]:
            case "/live":
                return Answer(HTTPStatus.OK, b"alive\n")
            case "/ready":
                return self._ready()
            case "/metrics":
                return self._metrics()
            case _:
                return Answer(HTTPStatus.NOT_FOUND, b"there are /live, /ready and /metrics\n")

    def _metrics(self) -> Answer:
        if self._exposition is None:
            return Answer(HTTPStatus.NOT_IMPLEMENTED, MISSING.encode())
        return Answer(HTTPStatus.OK, self._exposition.text(), self._exposition.content_type)

    def _ready(self) -> Answer:
        silence = self.vitals.silence()
        if silence is None:
            text = "not ready: the store has not taken a heartbeat yet\n"
        elif silence > SILENCE:
            text = f"not ready: no claim and no heartbeat has succeeded for {silence:.0f} s\n"
        elif (failing := self.vitals.failing()) > SILENCE:
            text = f"not ready: every claim has failed for {failing:.0f} s; the log says why\n"
        else:
            return Answer(HTTPStatus.OK, b"ready\n")
        return Answer(HTTPStatus.SERVICE_UNAVAILABLE, text.encode())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        if self._server is not None:
            # It waits for a round of serving, which may never begin.
            threading.Thread(target=self._server.shutdown, daemon=True).start()
            self._thread.join(timeout=1.0)
            self._server.server_close()
        self._thread.join(timeout=1.0)
        if self._exposition is not None:
            self._exposition.close()


def _exposition(meter: Meter, store: Store) -> Exposition | None:
    from boundary.jobs.shell.telemetry.exposition import Exposition

    try:
        return Exposition(meter, store)
    except ImportError:
        log.warning("%s", MISSING.strip())
        return None


def _server(host: str, port: int, health: Health) -> ThreadingHTTPServer:
    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False
        if ":" in host:
            address_family = AF_INET6

        def server_bind(self) -> None:
            """As a socket server does: the HTTP one would ask for this host's name."""
            import socketserver

            socketserver.TCPServer.server_bind(self)
            self.server_name, self.server_port = host, port

    class Handler(_Handler):
        asked = health

    return Server((host, port), Handler)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    asked: Health
    timeout = PATIENCE
    server_version = "boundary-jobs"
    sys_version = ""

    def do_HEAD(self) -> None:
        """The answer without its body."""
        self.do_GET()

    def do_GET(self) -> None:
        """The answer."""
        try:
            answer = self.asked.answer(self.path)
        except Exception:
            log.exception("the health port cannot answer")
            answer = Answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"this is a bug; see the log\n")
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are not worth a line."""
        log.debug("health port: %s", one_line(format % args))
