"""What type checkers must say of the doors; checked, never run.

Every `type: ignore` here stands for an error that must be one: `warn_unused_ignores` (mypy) and
`reportUnnecessaryTypeIgnoreComment` (pyright) fail if it no longer is.
"""

from __future__ import annotations

from typing import Any, assert_type
from uuid import UUID

from boundary.jobs import Context, Event, Handler, Job, Jobs, JobStats
from boundary.jobs.shell.draft import Draft

jobs = Jobs("memory://")


@jobs.handler(queue="emails", priority="high", max_retries=5)
async def send_email(to: str, subject: str, body: str = "") -> dict[str, str]:
    return {"to": to, "subject": subject, "body": body}


@jobs.handler
def add(a: int, b: int = 2) -> int:
    return a + b


@jobs.handler
def leading(ctx: Context, a: int) -> str:
    return f"{ctx.attempt} {a}"


@jobs.handler
def untyped(payload: Any) -> None: ...


@jobs.handler
async def keyword(path: str, size: int = 3, *, ctx: Context) -> None: ...


@jobs.handler("named", timeout=20)
def trailing(path: str, ctx: Context) -> None: ...


# Arguments flow into every way to enqueue.
assert_type(send_email.enqueue("a", subject="b"), Job)
assert_type(send_email.using(delay=3600).job(to="a", subject="b"), Draft)
send_email.enqueue("a")  # type: ignore[call-arg]
send_email.enqueue("a", 3)  # type: ignore[arg-type]
send_email.enqueue("a", "b", bdy="c")  # type: ignore[call-arg]
send_email.using(priority="low").enqueue(to=1, subject="b")  # type: ignore[arg-type]
add.job(a="1")  # type: ignore[arg-type]

# The handler still is its function.
assert_type(add(1), int)
add("1")  # type: ignore[arg-type]

# A leading context is given by the worker, by hand only in a plain call.
assert_type(leading.enqueue(a=1), Job)
assert_type(leading.enqueue(1), Job)
leading.enqueue(a="1")  # type: ignore[arg-type]
leading(1)  # type: ignore[call-arg, arg-type]

# One anywhere else makes the arguments loosely typed.
assert_type(trailing, Handler[..., None])
trailing.enqueue("a")
keyword.enqueue(path="a")
untyped.enqueue(payload=1)

# Options have names and types.
send_email.using(prio="high")  # type: ignore[call-arg]
send_email.using(priority="urgent")  # type: ignore[arg-type]
jobs.enqueue("any", {"a": 1}, priority="urgent")  # type: ignore[arg-type]
jobs.handler(queue=3)  # type: ignore[call-overload]


# Hooks stay what they are.
@jobs.on_event
def note(event: Event) -> int:
    return 1


@jobs.on_event("dead", "failed")
def report(event: Event, error: BaseException | None) -> None: ...


assert_type(note(next(jobs.events())), int)
jobs.on_event("done")  # type: ignore[call-overload]
assert_type(list(jobs.events({"dead"})), list[Event])
jobs.events({"done"})  # type: ignore[arg-type]

# What comes back.
assert_type(jobs.find("id"), Job | None)
assert_type(jobs.stats(), JobStats)
assert_type([one.id for one in jobs.search(limit=3)], list[UUID])
jobs.search(status="done")  # type: ignore[arg-type]


async def asynchronous() -> None:
    assert_type(await add.aenqueue(1), Job)
    assert_type(await jobs.aio.find("id"), Job | None)
    assert_type(await jobs.aio.enqueue_many(add.job(n) for n in range(3)), list[Job])
    assert_type(await send_email("a", "b"), dict[str, str])
    await add.aenqueue("1")  # type: ignore[arg-type]
