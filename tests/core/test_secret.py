"""A secret as a value and as it stands in a record."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from boundary.jobs.core import wire
from boundary.jobs.core.records import Job
from boundary.jobs.core.redaction import HIDDEN, redacted, restored, secrets_in
from boundary.jobs.core.secret import Secret, opened, resealed
from boundary.jobs.core.values import JSON

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_it_shows_nobody_what_it_holds() -> None:
    one = Secret("canary")
    assert one.reveal() == "canary"
    assert f"{one} {one!r} {[one]}" == "Secret(…) Secret(…) [Secret(…)]"
    assert one == Secret("canary")
    assert one != Secret("other")
    assert one != "canary"
    assert {one: 1}[Secret("canary")] == 1


def test_as_it_stands_in_a_record_it_is_hidden_like_any_name_of_a_secret() -> None:
    stored = wire.json_value({"note": Secret("canary"), "to": [Secret(4711)]}, "args", whole=True)
    assert stored == {"note": {"$secret": "canary"}, "to": [{"$secret": 4711}]}
    shown = redacted(stored)
    assert shown == {"note": {"$secret": HIDDEN}, "to": [{"$secret": HIDDEN}]}
    assert restored(shown, stored) == stored
    assert secrets_in(stored) == {"canary", "4711"}


@pytest.mark.parametrize(
    ("stored", "value"),
    [
        ({"$secret": "a"}, "a"),
        ({"$secret": None}, None),
        ("a", "a"),
        ({"$secret": "a", "b": 1}, {"$secret": "a", "b": 1}),
        ({}, {}),
    ],
)
def test_a_plain_value_is_one_too(stored: JSON, value: JSON) -> None:
    assert opened(stored) == value


def test_what_was_a_secret_stays_one_when_it_is_edited() -> None:
    before = {"card": {"$secret": "a"}, "to": "b", "code": {"$secret": "c"}}
    new = {"card": "x", "to": {"$secret": "y"}, "code": {"$secret": "z"}, "more": 1}
    assert resealed(new, before) == {**new, "card": {"$secret": "x"}}


def test_a_job_s_repr_hides_it() -> None:
    args = {"to": "ada", "token": "canary", "note": {"$secret": "canary"}}
    job = Job(id=UUID(int=1), job_type="t", args=args, created_at=NOON, updated_at=NOON)
    assert repr(job) == (
        "Job(id='00000000-0000-0000-0000-000000000001', job_type='t', queue='default', "
        "status='pending', args={'to': 'ada', 'token': '[redacted]', 'note': {'$secret': '[redacted]'}})"
    )
