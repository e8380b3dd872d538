"""What can be configured, and what each setting may be.

What belongs here: the settings as frozen data, their bounds, and an address as it may be shown.
What does not: where they are read from (`config`), and what a setting does (the part that uses it
says so).

All durations are milliseconds, as the seed's.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import quote, urlsplit

from msgspec import Meta, Struct, field

DEFAULT_URL = "sqlite:///boundary-jobs.db"

_YEAR = 366 * 86_400_000

Switch: TypeAlias = Annotated[bool, Meta(description="true or false")]
Text: TypeAlias = Annotated[str, Meta(min_length=1, description="a non-empty string")]
Namespace: TypeAlias = Annotated[
    str, Meta(description="1 to 128 of the characters A-Z a-z 0-9 _ . : -")
]
Port: TypeAlias = Annotated[int, Meta(ge=1, le=65_535, description="a number from 1 to 65535")]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000, description="a whole number from 0 on")]
AtLeastOne: TypeAlias = Annotated[
    int, Meta(ge=1, le=100_000, description="a whole number from 1 to 100000")
]
Bytes: TypeAlias = Annotated[
    int, Meta(ge=1_024, le=2**30, description="a number of bytes from 1024 to 1073741824")
]
Wait: TypeAlias = Annotated[
    int, Meta(ge=10, le=86_400_000, description="milliseconds, from 10 to 86400000 (a day)")
]
Lease: TypeAlias = Annotated[
    int, Meta(ge=100, le=86_400_000, description="milliseconds, from 100 to 86400000 (a day)")
]
Grace: TypeAlias = Annotated[
    int, Meta(ge=0, le=86_400_000, description="milliseconds, from 0 to 86400000 (a day)")
]
Kept: TypeAlias = Annotated[
    int, Meta(ge=0, le=100 * _YEAR, description="milliseconds from 0 on; 86400000 is a day")
]
QueueNames: TypeAlias = Annotated[
    tuple[str, ...],
    Meta(min_length=1, description='a list of queue names, such as ["critical", "default"]'),
]
AtOnce: TypeAlias = Annotated[
    Annotated[int, Meta(ge=1, le=100_000)] | Annotated[str, Meta(pattern="^auto")],
    Meta(description='a whole number from 1 to 100000, "auto", or bounds as in "auto:2-200"'),
]
QueueLimits: TypeAlias = Annotated[
    dict[str, int],
    Meta(description="a table of queue names and numbers from 1 on, such as {reports = 2}"),
]
Durability: TypeAlias = Annotated[
    Literal["stored", "replicated"], Meta(description="stored or replicated")
]
Many: TypeAlias = Annotated[
    int, Meta(ge=0, le=2**53, description="a whole number from 0 (never) on")
]
Memory: TypeAlias = Annotated[
    int, Meta(ge=0, le=2**53, description="a number of bytes from 0 (never) on; 2**30 is a GiB")
]
Few: TypeAlias = Annotated[int, Meta(ge=1, le=64, description="a whole number from 1 to 64")]


class RedisSettings(Struct, frozen=True, kw_only=True):
    """A Redis server: the specification's keys, and our own.

    Attributes:
        host, port, database: The server's address, if there is no URL.
        username, password: The login, if the URL does not contain one.
        max_total: Most connections per process.
        max_idle: Most idle connections kept open.
        min_idle: Idle connections kept open however long they are idle.
        timeout: Milliseconds any call may take, including connecting.
        partitions: How many cluster slots each queue is spread over; order and priority hold
            within each. Fixed once a namespace exists.
        durability: ``stored``: an enqueue succeeds once the server has it; ``replicated``: once
            `replicas` replicas have it too, else it raises `EnqueueUncertain`.
        replicas: How many replicas, with ``replicated``.
    """

    host: Text = "localhost"
    port: Port = 6379
    password: Text | None = None
    database: Count = 0
    max_total: AtLeastOne = 20
    max_idle: Count = 10
    min_idle: Count = 2
    timeout: Wait = 2_000
    username: Text | None = None
    partitions: Few = 1
    durability: Durability = "stored"
    replicas: Few = 1

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"RedisSettings({shown})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        hidden = {"password": "***"} if self.password is not None else {}
        return [(name, hidden.get(name, getattr(self, name))) for name in self.__struct_fields__]

    def url(self) -> str:
        """The same as an address, password included."""
        user = quote(self.username, safe="") if self.username else ""
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        login = f"{user}{secret}@" if user or secret else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"redis://{login}{host}:{self.port}/{self.database}"


class WorkerSettings(Struct, frozen=True, kw_only=True):
    """How workers work.

    Attributes:
        count: Number of worker processes.
        queues: The queues to serve, in order; None: every queue that has jobs, ``default`` first.
        poll_interval: Longest a worker goes without checking the store; normally it is woken.
        shutdown_timeout: How long running jobs may take to finish once a worker is told to stop.
        concurrency: Jobs that run at the same time in one process; ``"auto"`` or ``"auto:2-200"``:
            as many, within bounds, as the measured load allows.
        queue_concurrency: Per queue, the most jobs that run at the same time in one process.
        lease: A worker silent for this long is considered lost, and its jobs are taken back.
        max_unhandled: A job that no worker has a handler for becomes a dead letter after this.
        max_crashes: A job becomes a dead letter after this many lost workers.
        max_jobs: Replace a process after this many jobs; 0: never.
        max_memory: Replace a process that uses more than this many bytes; 0: never.
        health_port: Port that serves ``/live``, ``/ready`` and ``/metrics``; None: none.
        health_host: Address of that port; ``0.0.0.0`` for probes from outside a container.
    """

    count: AtLeastOne = 1
    queues: QueueNames | None = None
    poll_interval: Wait = 1_000
    shutdown_timeout: Grace = 30_000
    concurrency: AtOnce = 10
    lease: Lease = 30_000
    max_unhandled: Wait = 300_000
    max_crashes: AtLeastOne = 3
    max_jobs: Many = 0
    max_memory: Memory = 0
    health_port: Port | None = None
    health_host: Text = "127.0.0.1"
    queue_concurrency: QueueLimits = field(default_factory=dict[str, int])


class ScheduledSettings(Struct, frozen=True, kw_only=True):
    """How jobs that have come due are made ready.

    Attributes:
        enabled: Whether workers promote due jobs.
        interval: Longest time between checks.
    """

    enabled: Switch = True
    interval: Wait = 5_000


class RetentionSettings(Struct, frozen=True, kw_only=True):
    """How long a job is kept after its end.

    Attributes:
        finished: A completed or cancelled job.
        dead: A dead letter.
    """

    finished: Kept = 86_400_000
    dead: Kept = 7_776_000_000


class Settings(Struct, frozen=True, kw_only=True):
    """Everything that can be configured.

    Attributes:
        url: The store's URL.
        namespace: Separates stores on one server.
        payload_limit: Most bytes for a job's arguments and metadata, or for its result.
        inline: Run due jobs where they are enqueued, without a worker; for development.
    """

    url: Text = DEFAULT_URL
    namespace: Namespace = "jobs"
    payload_limit: Bytes = 262_144
    inline: Switch = False
    redis: RedisSettings = field(default_factory=RedisSettings)
    workers: WorkerSettings = field(default_factory=WorkerSettings)
    scheduled_processor: ScheduledSettings = field(default_factory=ScheduledSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"Settings({shown})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        hidden = {"url": shown_url(self.url)}
        return [(name, hidden.get(name, getattr(self, name))) for name in self.__struct_fields__]


def shown_url(url: str) -> str:
    """The address as it may be shown: its password is ``***``."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return f"{url.partition(':')[0]}://***"
    hidden = url.replace(f":{password}@", ":***@", 1) if password else url
    return re.sub(r"(password=)[^&]*", r"\1***", hidden)
