"""Where settings come from.

What belongs here: reading them from files, variables and arguments, and what is said of a wrong
one. What does not: which there are and what they may be (`settings`).

    defaults < boundary-jobs.toml or [tool.boundary-jobs] in pyproject.toml
             < environment < the `config` argument < the `url` argument
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Union, cast, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from boundary.jobs.core import scaling
from boundary.jobs.core.names import checked_name
from boundary.jobs.errors import ConfigError, UsageError
from boundary.jobs.shell.settings import RedisSettings, Settings, shown_url

FILE = "boundary-jobs.toml"
PREFIX = "BOUNDARY_JOBS_"


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
