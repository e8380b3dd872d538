"""`Secret` in a handler's signature: stored for the handler, shown to nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from boundary.jobs import Jobs, Secret


@dataclass
class Login:
    user: str
    code: Secret[str]


@pytest.mark.parametrize("is_said", [True, False])
def test_a_handler_has_it(jobs: Jobs, is_said: bool) -> None:
    """Also where whoever enqueues forgets that it is one."""
    seen: list[object] = []

    @jobs.handler(max_retries=0)
    def pays(
        card: Secret[str], pins: list[Secret[int]], by: Login, maybe: Secret[str] | None = None
    ) -> None:
        seen.append((card, pins, by, maybe))

    card: Callable[[str], Any] = Secret if is_said else str
    by = Login("ada", Secret("canary"))
    first = pays.enqueue(card("canary"), [Secret(4711)], by, card("canary"))
    pays.enqueue(card=card("canary"), pins=[], by=by)
    jobs.worker().run_until_empty()
    secret = Secret("canary")
    assert seen == [(secret, [Secret(4711)], by, secret), (secret, [], by, None)]
    assert "canary" not in repr(seen)
    assert first.args == {
        "card": {"$secret": "canary"},
        "pins": [{"$secret": 4711}],
        "by": {"user": "ada", "code": {"$secret": "canary"}},
        "maybe": {"$secret": "canary"},
    }


def test_by_name_a_plain_value_will_do_and_a_wrong_one_is_named(jobs: Jobs) -> None:
    seen: list[Secret[str]] = []

    @jobs.handler(max_retries=0)
    def pays(card: Secret[str]) -> None:
        seen.append(card)

    jobs.enqueue("pays", {"card": "canary"})
    wrong = jobs.enqueue("pays", {"card": {"$secret": 4711}})
    jobs.worker().run_until_empty()
    assert seen == [Secret("canary")]
    found = jobs.find(wrong.id)
    assert found is not None
    assert found.error is not None
    assert found.error.message == "pays: argument 'card': Expected `str`, got `int`"


def test_who_edits_it_need_not_know_that_it_is_one(jobs: Jobs) -> None:
    """A door that only has the record, as the dashboard: the handler's types are not there."""

    @jobs.handler
    def pays(card: Secret[str], cents: int) -> None: ...

    job = pays.using(delay=60).enqueue(Secret("canary"), 950)
    with Jobs(config=jobs.settings, clock=jobs._clock) as elsewhere:
        door = jobs if jobs.settings.url == "memory://" else elsewhere
        edited = door.edit(job.id, {"card": "another canary", "cents": 0})
    assert edited is not None
    assert edited.args == {"card": {"$secret": "another canary"}, "cents": 0}


def test_what_is_to_run_hides_it_too(jobs: Jobs) -> None:
    @jobs.handler
    def pays(card: Secret[str]) -> None: ...

    jobs.schedule("often", every=60, handler="pays", args={"card": Secret("canary")})
    (schedule,) = jobs.schedules()
    assert schedule.args == {"card": {"$secret": "canary"}}
    for one in (pays.job(Secret("canary")), schedule):
        assert "[redacted]" in repr(one)
        assert "canary" not in repr(one)
