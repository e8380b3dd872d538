"""Where settings come from, and what they may be.

What belongs here: the settings as frozen data, their bounds, and reading them from files,
variables and arguments. What does not: what a setting does (the part that uses it says so).

    defaults < boundary-jobs.toml or [tool.boundary-jobs] in pyproject.toml
             < environment < the `config` argument < the `url` argument

All durations are milliseconds, as the seed's.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, Union, cast, get_args, get_origin
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Meta, Struct, field

from boundary.jobs.core import scaling
from boundary.jobs.core.names import checked_name
from boundary.jobs.errors import ConfigError, UsageError

DEFAULT_URL = "sqlite:///boundary-jobs.db"
FILE = "boundary-jobs.toml"
PREFIX = "BOUNDARY_JOBS_"

_YEAR = 366 * 86_400_000

Switch: TypeAlias = Annotated[bool, Meta(description="true or false")]
Text: TypeAlias = Annotated[str, Meta(min_length=1, description="a text that is not empty")]
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
    """The seed's keys for a Redis server, and ours.

    Attributes:
        host, port, database: Where the server is, if there is no URL.
        username, password: Who we are there, where the URL does not say.
        max_total: Connections of one process, at most.
        max_idle: Of these, kept while nobody uses them.
        min_idle: Of these, kept however long nobody uses them.
        timeout: Milliseconds any call may take, connecting included.
        partitions: Over how many slots of a cluster each queue is spread; order and priority hold
            within each. A namespace keeps the number it began with.
        durability: ``stored``: an enqueue counts once the server has it; ``replicated``: once
            `replicas` replicas have it too, else `EnqueueUncertain`.
        replicas: How many, with ``replicated``.
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
        count: Worker processes.
        queues: Served in this order; None: every queue that has jobs, ``default`` first.
        poll_interval: Longest a worker goes without looking; it is woken, it does not poll.
        shutdown_timeout: How long running jobs may go on once a worker is told to stop.
        concurrency: Jobs that run at the same time in one process; ``"auto"`` or ``"auto:2-200"``:
            as many, within bounds, as the measured load allows.
        queue_concurrency: Of these queues, at most so many of them.
        lease: A worker not heard of for so long is taken for lost, and its jobs taken back.
        max_unhandled: A job no worker has a handler for is a dead letter after so long.
        max_crashes: So many lost workers make a job a dead letter.
        max_jobs: A process is replaced by a new one after so many jobs; 0: never.
        max_memory: A process that has more bytes of memory is replaced; 0: never.
        health_port: Where a worker answers ``/live``, ``/ready`` and ``/metrics``; None: nowhere.
        health_host: On which address; ``0.0.0.0`` for probes from outside, as in a container.
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
    """How jobs that are due come to their turn.

    Attributes:
        enabled: Whether workers promote them.
        interval: The longest they go without looking.
    """

    enabled: Switch = True
    interval: Wait = 5_000


class RetentionSettings(Struct, frozen=True, kw_only=True):
    """How long a job stays after its end.

    Attributes:
        finished: A completed or cancelled one.
        dead: A dead letter.
    """

    finished: Kept = 86_400_000
    dead: Kept = 7_776_000_000


class Settings(Struct, frozen=True, kw_only=True):
    """Everything that can be configured.

    Attributes:
        url: Where the store is.
        namespace: Stores of one server are kept apart by it.
        payload_limit: Most bytes a job's arguments and metadata (or its result) may take.
        inline: A job that is due runs where it is enqueued, without a worker; for development.
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


# Reading


class Given(NamedTuple):
    """One value, and where somebody wrote it: `source` is the file, variable or argument."""

    key: str
    value: Any
    source: str
    is_text: bool = False


def load(
    explicit: Settings | Mapping[str, Any] | Path | str | None,
    environ: Mapping[str, str],
    folder: Path,
    url: str | None = None,
) -> Settings:
    """The settings in force.

    Args:
        explicit: Settings as they are to be, or keys by section, or a TOML file.
        environ: An empty variable counts as not set.
        folder: Where the configuration file may lie.
        url: Overrides every other.

    Raises:
        ConfigError: An unknown key, a bad value or an unreadable file, by name.
    """
    if isinstance(explicit, Settings):
        return explicit if url is None else msgspec.structs.replace(explicit, url=url)
    files, ours = _found(folder), [*_environment(environ), *_explicit(explicit)]
    if url is not None:
        ours.append(Given("url", url, "the url argument"))
    given = [*files, *_seed_variables(environ, [*files, *ours]), *ours]
    return _settings({one.key: _checked(one) for one in given})


def redis_settings(values: Mapping[str, Any], source: str) -> RedisSettings:
    """The section ``redis`` with these keys, over its defaults.

    Args:
        source: Where somebody wrote them, for messages.

    Raises:
        ConfigError: An unknown key or a bad value, by name.
    """
    given = [Given(f"redis.{key}", value, source) for key, value in values.items()]
    checked = {one.key.removeprefix("redis."): _checked(one) for one in given}
    return msgspec.convert(checked, RedisSettings)


def _settings(values: Mapping[str, Any]) -> Settings:
    sections: dict[str, Any] = {}
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        (sections.setdefault(section, {}) if section else sections)[name] = value
    if "url" not in sections and "redis" in sections:
        sections["url"] = msgspec.convert(sections["redis"], RedisSettings).url()
    return msgspec.convert(sections, Settings)


def _found(folder: Path) -> list[Given]:
    """What the folder's own file says; boundary-jobs.toml goes before pyproject.toml."""
    for name in (FILE, "pyproject.toml"):
        if (folder / name).is_file():
            given = _file(folder / name)
            if given or name == FILE:
                return given
    return []


def _explicit(explicit: Mapping[str, Any] | Path | str | None) -> list[Given]:
    if explicit is None:
        return []
    if isinstance(explicit, Mapping):
        return _flat(explicit, "the config argument")
    return _file(Path(explicit))


def _file(path: Path) -> list[Given]:
    import tomllib  # here: most runs read no file, and it costs their start

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    if path.name != "pyproject.toml":
        return _flat(content, str(path))
    return _flat(
        content.get("tool", {}).get("boundary-jobs", {}), f"[tool.boundary-jobs] in {path}"
    )


def _flat(content: Mapping[str, Any], source: str) -> list[Given]:
    given: list[Given] = []
    for name, value in content.items():
        if name in _sections() and isinstance(value, Mapping):
            inner = cast("Mapping[str, Any]", value)
            given += [Given(f"{name}.{key}", each, source) for key, each in inner.items()]
        else:
            given.append(Given(str(name), value, source))
    return given


OPTIONS = frozenset({"BOUNDARY_JOBS_DASHBOARD_TOKEN", "BOUNDARY_JOBS_DASHBOARD_VIEWER_TOKEN"})
"""Variables that stand for an option of a command, and are no setting: secrets, which in arguments
every list of processes would show."""


def _environment(environ: Mapping[str, str]) -> list[Given]:
    names = {PREFIX + key.replace(".", "_").upper(): key for key in known_keys()}
    given: list[Given] = []
    ours = {name for name in environ if name.startswith(PREFIX)}
    for variable in sorted(ours - OPTIONS):
        if variable not in names:
            raise ConfigError(f"unknown environment variable {variable}{_like(variable, names)}")
        if environ[variable]:
            given.append(Given(names[variable], environ[variable], variable, is_text=True))
    return given


SEED_VARIABLES = {
    "REDIS_HOST": "redis.host",
    "REDIS_PORT": "redis.port",
    "REDIS_PASSWORD": "redis.password",
    "WORKER_COUNT": "workers.count",
}


def _seed_variables(environ: Mapping[str, str], others: list[Given]) -> list[Given]:
    """What the seed's variables say.

    REDIS_PORT and REDIS_PASSWORD alone do not choose Redis, and count only where it is chosen:
    Kubernetes sets REDIS_PORT=tcp://… for whoever has a service of that name. So where a URL says
    which server it is, host and port are not read at all.
    """
    urls = [str(one.value).lower() for one in others if one.key == "url"]
    if urls:
        counted = {"redis.password"} if urls[-1].startswith(("redis", "unix:")) else set[str]()
    elif environ.get("REDIS_HOST") or any(one.key.startswith("redis.") for one in others):
        counted = {"redis.host", "redis.port", "redis.password"}
    else:
        counted = set[str]()
    return [
        Given(key, environ[variable], variable, is_text=True)
        for variable, key in SEED_VARIABLES.items()
        if environ.get(variable) and (key in counted or not key.startswith("redis."))
    ]


# Checking


@cache
def _sections() -> dict[str, type[Struct]]:
    return {
        one.name: one.type
        for one in msgspec.structs.fields(Settings)
        if isinstance(one.type, type) and issubclass(one.type, Struct)
    }


@cache
def known_keys() -> dict[str, Any]:
    """The type of each key, by its path."""
    keys = {
        one.name: one.type
        for one in msgspec.structs.fields(Settings)
        if one.name not in _sections()
    }
    for section, kind in _sections().items():
        for one in msgspec.structs.fields(kind):
            keys[f"{section}.{one.name}"] = one.type
    return keys


def _checked(given: Given) -> Any:
    kind = known_keys().get(given.key)
    if kind is None:
        raise ConfigError(_unknown(given))
    value = _from_text(given.value, kind) if given.is_text else given.value
    try:
        checked = msgspec.convert(value, kind, strict=not given.is_text)
        if given.key == "workers.queues" and checked is not None:
            for name in checked:
                checked_name("queue", name)
        if given.key == "workers.concurrency":
            scaling.parsed(cast("int | str", checked))
        if given.key == "workers.queue_concurrency":
            scaling.check_limits(cast("dict[str, int]", checked))
        if given.key == "namespace":
            checked_name("namespace", checked)
    except (msgspec.ValidationError, UsageError) as error:
        raise ConfigError(_bad(given, kind)) from error
    return checked


def _from_text(text: str, kind: Any) -> Any:
    """What a variable says, in the form a file would have it."""
    kinds = {get_origin(each) or each for each in _alternatives(kind)}
    words = [word.strip() for word in text.split(",") if word.strip()]
    if tuple in kinds:
        return words
    if dict in kinds and all("=" in word for word in words):
        pairs = (word.rpartition("=") for word in words)
        return {name.strip(): number.strip() for name, _, number in pairs}
    if {int, str} <= kinds and text.strip().isdecimal():
        return int(text)
    return text


def _alternatives(kind: Any) -> Iterator[Any]:
    """The plain types behind `Annotated` and `|`."""
    if get_origin(kind) is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif get_origin(kind) in {Union, types.UnionType}:
        for each in get_args(kind):
            yield from _alternatives(each)
    else:
        yield kind


def meaning(kind: Any) -> str:
    """What a key may be, in words."""
    for each in (kind, *get_args(kind)):
        for note in getattr(each, "__metadata__", ()):
            if isinstance(note, Meta) and note.description:
                return note.description
    return str(kind)


def _unknown(given: Given) -> str:
    if given.key in _sections():
        return (
            f"{given.source}: {given.key} is {_shown(given)}, but it is a section with the keys "
            + ", ".join(key for key in known_keys() if key.startswith(f"{given.key}."))
        )
    names = [*known_keys(), *(name for name in _sections() if "." not in given.key)]
    return f"{given.source}: unknown key {given.key!r} ({_shown(given)}){_like(given.key, names)}"


def _bad(given: Given, kind: Any) -> str:
    culprit = given.source if given.is_text else f"{given.source}: {given.key}"
    return f"{culprit} is {_shown(given)}, but may be {meaning(kind)}"


def _shown(given: Given) -> str:
    if "password" in given.key.lower():
        return "***"
    value: object = given.value
    if given.key not in known_keys() and not isinstance(value, bool | int | float):
        return "..."  # may hold a password under a misspelt name
    if isinstance(value, str):
        return repr(shown_url(value))[:80]
    return repr(value)[:80]


def _like(name: str, known: Mapping[str, Any] | list[str]) -> str:
    import difflib  # here: only a mistake needs it

    close = difflib.get_close_matches(name, list(known), n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return "; known are " + ", ".join(sorted(known))
