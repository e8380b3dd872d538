"""Enums among arguments, whatever their values are: found by value, or refused before anything is stored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, Flag, IntEnum
from typing import Annotated, Any, TypedDict

import pytest
from msgspec import Struct

from boundary.jobs import Jobs, Secret, UsageError


class Rate(Enum):
    LOW = 0.19
    HIGH = 1.0


class Range(Enum):
    NEAR = (0, 10)
    FAR = (10, 100)


class Answer(Enum):
    YES = True
    NO = False
    UNKNOWN = None


class Mixed(Enum):
    ONE = 1
    TWO = "two"
    HERE = ("x", 1.5)
    NOWHERE = object()


class Plain(IntEnum):
    ONE = 1


class Rights(Flag):
    READ = 1
    WRITE = 2


@dataclass
class Order:
    rate: Rate


class Parcel(Struct):
    range: Range


class Terms(TypedDict):
    rate: Rate


def test_members_arrive_whatever_their_values_are(jobs: Jobs) -> None:
    seen: list[Any] = []

    @jobs.handler(max_retries=0)
    def takes(
        rate: Rate,
        range: Range,
        answer: Answer,
        many: list[Mixed],
        by: dict[str, Rate | None],
        pair: tuple[Rate, Plain],
        marked: Annotated[Rate, "a note"],
        hidden: Secret[Rate],
        rights: Rights,
        maybe: Range | None = None,
        **rest: Rate,
    ) -> Rate:
        seen.extend(
            [rate, range, answer, many, by, pair, marked, hidden.reveal(), rights, maybe, rest]
        )
        return rate

    job = takes.enqueue(
        Rate.HIGH,
        Range.FAR,
        Answer.UNKNOWN,
        [Mixed.TWO, Mixed.HERE],
        {"a": Rate.LOW, "b": None},
        (Rate.LOW, Plain.ONE),
        Rate.LOW,
        Secret(Rate.HIGH),
        Rights.READ | Rights.WRITE,
        maybe=Range.NEAR,
        more=Rate.LOW,
    )
    jobs.worker().run_until_empty()
    assert jobs.result(job.id, timeout=1) == 1.0
    assert seen == [
        Rate.HIGH,
        Range.FAR,
        Answer.UNKNOWN,
        [Mixed.TWO, Mixed.HERE],
        {"a": Rate.LOW, "b": None},
        (Rate.LOW, Plain.ONE),
        Rate.LOW,
        Rate.HIGH,
        Rights.READ | Rights.WRITE,
        Range.NEAR,
        {"more": Rate.LOW},
    ]


def test_a_value_no_member_has_fails_the_run_and_says_so(jobs: Jobs) -> None:
    @jobs.handler(max_retries=0)
    def takes(rates: list[Rate]) -> None: ...

    job = jobs.enqueue("takes", {"rates": [0.19, 0.2]})
    jobs.worker().run_until_empty()
    failed = jobs.find(job.id)
    assert failed is not None
    assert failed.error is not None
    assert failed.error.type == "UsageError"
    assert "argument 'rates': 0.2 is not a valid Rate - at `$[1]`" in failed.error.message


@pytest.mark.parametrize("kind", [Order, list[Order], Parcel, Terms, Rate | int])
def test_where_it_cannot_be_made_the_handler_is_refused(jobs: Jobs, kind: Any) -> None:
    def takes(order: Any) -> None: ...

    takes.__annotations__["order"] = kind
    with pytest.raises(
        UsageError, match="the parameter 'order' of takes cannot .* parameter of its own"
    ):
        jobs.handler(takes)
    assert "takes" not in jobs.registry.handlers
