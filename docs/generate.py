"""Writes the pages of docs/ that say what the code says: `make docs`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import typer

import boundary.jobs
from boundary.jobs import JobsError, errors
from boundary.jobs.core import lifecycle, trails, wire
from boundary.jobs.shell import config
from boundary.jobs.shell.adapters.redis.records import STATUSES
from boundary.jobs.shell.cli.app import COMMANDS, app
from boundary.jobs.shell.cli.codes import exit_code
from boundary.jobs.shell.cli.done import Done
from boundary.jobs.shell.settings import Settings
from boundary.jobs.shell.web.api.endpoint import Endpoint
from boundary.jobs.shell.web.api.questions import LONGEST_WAIT
from boundary.jobs.shell.web.app import ENDPOINTS
from boundary.jobs.shell.web.guarding import API
from boundary.jobs.shell.web.problems import CODES, status_of
from docs import drawing
from tests.chaos.scorecard import Scorecard, table

HERE = Path(__file__).parent


def command_page() -> str:
    """docs/cli.md: every command with its arguments and options."""
    group: Any = typer.main.get_command(app)
    lines = [
        "# The command",
        "",
        "`boundary-jobs`, or `python -m boundary.jobs`. Exit codes: 0 done,",
        "1 not found or refused, 2 usage or configuration, 3 the store cannot be reached, 130 interrupted by Ctrl-C.",
        "What goes on until Ctrl-C (a worker, the dashboard, the demo) ends by it as asked, with 0.",
        "`NO_COLOR=1` turns colours off.",
        "",
        "Every look and every act has `--json`: one document on standard output; notes, questions and errors are",
        "on standard error. Secrets are hidden as everywhere. `enqueue` and `fire-schedule` tell the job; what is",
        "done with a schedule that stays, the schedule; every other act tells:",
        "",
        *(f"- `{name}`: {words}" for name, words in _attributes(Done).items()),
        "",
        "Options of the whole command may stand anywhere:",
        "",
        *_parameters(group),
    ]
    for panel, functions in COMMANDS.items():
        lines += ["", f"## {panel}"]
        for function in functions:
            command = group.commands[function.__name__.replace("_", "-")]
            lines += ["", f"### {command.name}", "", (function.__doc__ or "").strip(), ""]
            lines += _parameters(command)
    return "\n".join(lines).rstrip() + "\n"


def _parameters(command: Any) -> list[str]:
    rows = []
    for one in command.params:
        if getattr(one, "hidden", False) or one.name == "help":
            continue
        name = (
            ", ".join((*one.opts, *one.secondary_opts))
            if one.opts[0].startswith("-")
            else (one.metavar or one.name.upper())
        )
        rows.append(f"- `{name}`: {one.help or ''}".rstrip())
    return rows


def lifecycle_page() -> str:
    """docs/lifecycle.md: the diagram, drawn from the table."""
    rows = [f"| {before} | {event} | {to} |" for (before, event), to in lifecycle.TABLE.items()]
    return "\n".join(
        [
            "# A job's life",
            "",
            "Drawn from the table in `core/lifecycle.py`; nothing else happens to a job. A scheduled job is",
            "`pending` with `execute_at` ahead. Dead letters are the failed jobs that ended by exhaust, crash",
            "or quarantine.",
            "",
            "```mermaid",
            lifecycle.mermaid().rstrip(),
            "```",
            "",
            "| from | event | to |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def configuration_page() -> str:
    """docs/reference/configuration.md: every key, from the types that check it."""
    lines = [
        "# Configuration",
        "",
        "Made of the types that check it (`shell/settings.py`). Each source goes over those before it:",
        "",
        "1. the defaults below,",
        f"2. `{config.FILE}` in the working directory, or `[tool.boundary-jobs]` in `pyproject.toml`,",
        "3. the environment: `BOUNDARY_JOBS_` and the path of the key in capitals,",
        "4. `Jobs(config=…)`: a mapping by section, or the path of a TOML file; `--config` of the command",
        "   (a worker, whose module makes its own `Jobs`, the demo and bench refuse it),",
        "5. `Jobs(url)`; `--url` of the command.",
        "",
        "An unknown key or a bad value is a `ConfigError` that names the source, the key and what it may",
        "be. All durations are milliseconds. In the environment a list is `a,b`, a table `a=1,b=2`, and an",
        "empty variable counts as not set. `boundary-jobs doctor` reads it all and says what is wrong.",
        "",
        "```toml",
        f"# {config.FILE}",
        'url = "redis://localhost:6379/0"',
        "",
        "[workers]",
        'queues = ["critical", "default"]',
        "concurrency = 20",
        "",
        "[retention]",
        "finished = 3600000",
        "```",
        "",
        "The specification's variables count, too: "
        + ", ".join(f"`{name}` (`{key}`)" for name, key in config.SEED_VARIABLES.items())
        + ". Where no Redis is chosen, the port and the password alone mean nothing; where a URL says",
        "which one, host and port mean nothing, and the password counts if the URL has none.",
    ]
    for title, prefix, kind in _sections():
        lines += ["", f"## {title}", "", (inspect.getdoc(kind) or "").partition("\n")[0], ""]
        lines += ["| key | default | may be | is |", "|---|---|---|---|"]
        told = _attributes(kind)
        for one in msgspec.structs.fields(kind):
            if not _is_section(one.type):
                shown = f"`{prefix}{one.name}`"
                allowed = _cell(config.meaning(one.type))
                lines.append(f"| {shown} | {_default(one)} | {allowed} | {told[one.name]} |")
    return "\n".join(lines) + "\n"


def _sections() -> Iterator[tuple[str, str, type[msgspec.Struct]]]:
    yield "Without a section", "", Settings
    for one in msgspec.structs.fields(Settings):
        if _is_section(one.type):
            yield f"[{one.name}]", f"{one.name}.", one.type


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _default(one: Any) -> str:
    if one.default is msgspec.NODEFAULT:
        return "empty"
    if one.default is None:
        return "not set"
    return f"`{str(one.default).lower() if isinstance(one.default, bool) else one.default}`"


def _attributes(kind: type) -> dict[str, str]:
    """What the docstring says of each attribute; one entry may be of several."""
    text = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    told = re.findall(r"^ {4}(\w[\w, ]*): (.*(?:\n {8}.*)*)", text, re.MULTILINE)
    return {
        name: _cell(" ".join(words.split())) for names, words in told for name in names.split(", ")
    }


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


def errors_page() -> str:
    """docs/reference/errors.md: every error with its code, and what the doors make of it."""
    tree = (errors.__doc__ or "").partition("    JobsError\n")[2].partition("\n\n")[0]
    lines = [
        "# Error codes",
        "",
        "Every error is a `JobsError` with a `message` for people (what is wrong, with which data, what",
        "helps) and a `code` for programs, which stays the same. The command ends with the exit code; the",
        "API answers with the status and the code, as `application/problem+json`.",
        "",
        "```text",
        "JobsError",
        *(line.removeprefix("    ") for line in tree.splitlines()),
        "```",
        "",
        "| code | class | means | exit code | HTTP |",
        "|---|---|---|---|---|",
    ]
    for kind in error_types():
        made = _blank(kind)
        means = _cell((inspect.getdoc(kind) or "").partition("\n")[0])
        lines.append(
            f"| `{kind.code}` | `{kind.__name__}` | {means} | {exit_code(made)} | {status_of(made)} |"
        )
    with_data = [(kind, _attributes(kind)) for kind in error_types() if kind is not JobsError]
    lines += ["", "Some carry data, too:", ""]
    lines += [
        f"- `{kind.__name__}`: " + " ".join(f"`{name}`: {words}" for name, words in told.items())
        for kind, told in with_data
        if told
    ]
    lines += [
        "",
        "`BackendError` and its kin say that the store, not your call, is the cause: the same call may",
        "succeed later. After `enqueue_uncertain`, call again with the same `job_id`: it makes no second job.",
        "",
        "## Codes of the API alone",
        "",
        "What the app itself refuses, before a job or a store is asked:",
        "",
        "| code | HTTP | means | helps |",
        "|---|---|---|---|",
        *(
            f"| `{code}` | {kind.status} | {kind.means} | {kind.remedy} |"
            for code, kind in CODES.items()
        ),
        "",
        "`result_timeout` is no refusal over HTTP: `GET /{id}/result` answers 202 with the job's status.",
        "",
        "`Retry`, `Snooze`, `Cancel` and `Discard` are no errors but",
        "[answers of a handler](../guides/retries.md#answers-besides-a-value).",
    ]
    return "\n".join(lines) + "\n"


def error_types() -> list[type[JobsError]]:
    """Every class of error, in the order of the tree."""
    kinds = (getattr(errors, name) for name in dir(errors))
    found = {one for one in kinds if isinstance(one, type) and issubclass(one, JobsError)}
    return sorted(found, key=lambda one: inspect.getsourcelines(one)[1])


def _blank(kind: type[JobsError]) -> JobsError:
    made = kind.__new__(kind)
    Exception.__init__(made, "")
    return made


def http_page() -> str:
    """docs/http.md: the endpoints, from the list that the app is made of."""
    lines = [
        "# Over HTTP",
        "",
        "An ASGI app with the [dashboard](dashboard.md) and this API, by `boundary-jobs dashboard` or",
        "`create_app(jobs)`. It describes itself in OpenAPI 3.1: queries, bodies, answers and refusals are in",
        f"`{API}/openapi.json`.",
        "",
        "```sh",
        f"curl 'localhost:8210{API}/failed?limit=5'",
        'curl -H "Authorization: Bearer $TOKEN" https://jobs.example.com' + f"{API}/stats",
        "```",
        "",
        f"| below `{API}` | takes | is true afterwards, or answers |",
        "|---|---|---|",
        *(
            f"| `{one.method} {one.path or '(itself)'}` | {_taken(one)} | {_summary(one)} |"
            for one in _by_path()
        ),
        "| `GET /events` | | The totals as a stream (server-sent events), whenever they change. |",
        "| `GET /openapi.json` | | The description of all this. |",
        "",
        "`?` stands for parameters of the query, braces for members of a JSON body. Unknown ones are refused, not",
        "ignored. What acts on many jobs wants `confirm`, the number it acts on: without it, or if it is another",
        "by now, nothing is done and the answer is 409 with the `count`. Never more are acted on; without a `fingerprint`",
        "the 200 causes seen last are counted, and what is left wants another request. Acts are",
        "[logged](operating.md#who-did-what-and-undo) with the visitor's name.",
        "",
        "A job's options mean what they mean [in Python](guides/jobs.md): `timeout`, `expires`, `keep_result`, `delay`",
        "and what `retry` holds (`strategy`, `initial_delay`, `max_delay`, `jitter`) are in seconds. What is left out is",
        "as its handler has it, if that is known where the app runs, and else the library's default.",
        "",
        f"`GET /{{id}}/result` waits for a job's end, at most {LONGEST_WAIT} s, and is woken by it: 200 with the `result`, 202 if",
        "the job has not ended within `timeout` seconds (ask again; 0 only looks), 409 `job_failed` or `job_cancelled` with the",
        "reason in `detail`, 404 if there is no such job, or its record was not kept. What looks like a secret is hidden.",
        "",
        "A refusal is `application/problem+json` with a stable [`code`](reference/errors.md): 400 a query, id or",
        "name that is none; 401, 403 who asks, or from where; 404, 405; 409 what the job's status does not allow, or",
        "a count to confirm; 413 a body above 1 MiB; 415; 422 a body that is none, or arguments the handler does",
        "not take; 503 the store is away, with `Retry-After`. One exception: `POST /{id}/retry` of a job that is not",
        'stored answers 404 with the specification\'s `{"error": "Job not found"}` as `application/json`.',
    ]
    return "\n".join(lines) + "\n"


def _taken(one: Endpoint) -> str:
    """The names of a query's parameters and a body's members."""
    query = ", ".join(f"`{name}`" for name in getattr(one.query, "__struct_fields__", ()))
    body = ", ".join(f"`{name}`" for name in getattr(one.body, "__struct_fields__", ()))
    return " ".join([*([f"? {query}"] if query else []), *([f"{{ {body} }}"] if body else [])])


def _by_path() -> list[Endpoint]:
    return sorted(ENDPOINTS, key=lambda one: (one.path, one.method))


def _summary(one: Endpoint) -> str:
    return _cell((inspect.getdoc(one.call) or "").partition("\n")[0])


RECORDS = """# Records, keys, and other languages

How other languages enqueue, by HTTP or by a script on Redis, is [a page of its own](../guides/other-languages.md);
what an argument of that script holds is here. Writing keys or rows by hand is not supported. An enqueue is one atomic
step that keeps the record, its place in a lane, the log, the counters and the wake-up token together.

## The record, version {version}

On Redis a record is the value of `job` in the [keys](../redis.md#keys), by the id's 16 bytes. Integers are big-endian,
`I4` is four bytes unsigned, `i8` eight signed, `B` one; instants are milliseconds since 1970:

```text
{layout}
```

A status is stored as its number: {statuses}.
On SQLite the same fields are columns of the table `job`; payload and trail are the same bytes.

**Payload**: a MessagePack array, written once. New fields go to the end, none is removed:

| at | field |
|---|---|
{payload}

**Trail**: a MessagePack map of what runs left behind: {trail}. Keys a version does not know it carries along.

Both hold JSON values only; nothing in them is executed or imported.
"""


def records_page() -> str:
    """docs/reference/records.md: a job's bytes, as the scripts draw them."""
    lua = HERE.parent / "src/boundary/jobs/shell/adapters/redis/lua/parts/record.lua"
    drawing = re.findall(r"^--   (.*)$", lua.read_text(), re.MULTILINE)
    payload = enumerate(wire.Payload.__struct_fields__)
    return RECORDS.format(
        version=wire.VERSION,
        layout="\n".join(drawing),
        statuses=", ".join(f"{at} {name}" for at, name in enumerate(STATUSES)),
        payload="\n".join(f"| {at} | `{name}` |" for at, name in payload),
        trail=", ".join(f"`{name}`" for name in trails.Trail.__struct_fields__),
    )


SCORECARD = ("<!-- scorecard -->\n", "<!-- end of the scorecard -->\n")


def guarantees_page() -> str:
    """docs/guarantees.md: written by hand, but for what the last soak came to."""
    begin, end = SCORECARD
    before, _, rest = (HERE / "guarantees.md").read_text().partition(begin)
    shown = table(Scorecard.read(HERE / "scorecard.json"))
    return f"{before}{begin}\n{shown}\n{end}{rest.partition(end)[2]}"


INNER = (
    "store", "open_async", "enqueuing_one", "enqueuing", "new_id", "drafting", "draft", "send", "asend",
    "hand", "acting", "bound",
)  # fmt: skip
"""What `Jobs` has for other parts of the library, and no caller needs."""

API_GROUPS = {
    "The doors": ("Jobs", "AsyncJobs", "Handler", "Draft"),
    "In a handler": ("Context", "Retry", "Snooze", "Cancel", "Discard", "JobResult", "RetryPolicy"),
    "Jobs and what is told of them": (
        "Job",
        "JobPage",
        "JobError",
        "FailedRun",
        "Attempt",
        "Progress",
        "Why",
        "BusyWith",
        "Event",
    ),
    "Queues, workers, schedules": (
        "JobStats",
        "QueueStats",
        "MinuteStats",
        "WorkerInfo",
        "ScheduleInfo",
    ),
    "What operators do": ("Action", "AuditEntry", "AuditPage", "FailureGroup", "UndoResult"),
}


def api_page() -> str:
    """docs/reference/api.md: where mkdocstrings puts the public names, by what they are for."""
    placed = {name for names in API_GROUPS.values() for name in names}
    kinds = {name: getattr(boundary.jobs, name) for name in boundary.jobs.__all__}
    failures = [name for name, one in kinds.items() if one in error_types()]
    literals = [name for name, one in kinds.items() if not isinstance(one, type)]
    others = [name for name in kinds if name not in {*placed, *failures, *literals}]
    groups = {**API_GROUPS, "Others": others, "Errors": failures}
    lines = ["# The Python API", "", "Everything here is imported from `boundary.jobs`. Options of"]
    lines += [
        "`handler`, `using` and `enqueue` are in [defining jobs](../guides/jobs.md#options).",
        "",
    ]
    lines += [f"- `{name}` is {_choices(kinds[name])}" for name in literals]
    for title, names in groups.items():
        if names:
            lines += ["", f"## {title}"]
            lines += [line for name in names for line in _inserted(name)]
    lines += ["", "## Over HTTP", "", "From `boundary.jobs.web` (extra `web`)."]
    lines += ["", "::: boundary.jobs.web.create_app", "", "::: boundary.jobs.web.TokenAuth"]
    lines += ["", "::: boundary.jobs.web.BasicAuth", "", "::: boundary.jobs.web.Visitor"]
    return "\n".join(lines) + "\n"


def _inserted(name: str) -> list[str]:
    options = []
    if name == "Jobs":
        hidden = f'["!^_", "!^({"|".join(INNER)})$"]'
        options = ["    options:", f"      filters: {hidden}"]
    return ["", f"::: boundary.jobs.{name}", *options]


def _choices(literal: Any) -> str:
    return ", ".join(f"`{each}`" for each in literal.__args__)


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": command_page,
    "guarantees.md": guarantees_page,
    "http.md": http_page,
    "img/lifecycle.svg": drawing.lifecycle_picture,
    "lifecycle.md": lifecycle_page,
    "reference/api.md": api_page,
    "reference/configuration.md": configuration_page,
    "reference/errors.md": errors_page,
    "reference/records.md": records_page,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page())
        print(f"docs/{name}")
