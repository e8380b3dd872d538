"""Pydantic models among arguments and results."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr

from boundary.jobs import Jobs
from boundary.jobs.errors import SerializationError


class Item(BaseModel):
    sku: str
    price: Decimal


class Order(BaseModel):
    model_config = ConfigDict(strict=True)

    id: UUID
    at: datetime
    page: HttpUrl
    items: list[Item]
    user_name: str = Field(alias="userName")


class Login(BaseModel):
    password: SecretStr


class Written(BaseModel):
    name: str = Field(serialization_alias="fullName")


class Excluding(BaseModel):
    kept: int
    cached: int = Field(default=0, exclude=True)


def an_order() -> Order:
    item = Item(sku="ink", price=Decimal("1.20"))
    return Order(
        id=uuid4(),
        at=datetime.now(UTC),
        page=HttpUrl("https://example.com/a"),
        items=[item],
        userName="ada",
    )


def test_models_arrive_as_they_were_given(jobs: Jobs) -> None:
    seen: list[object] = []

    @jobs.handler
    def takes(order: Order, more: list[Order], by: dict[str, Item], maybe: Item | None) -> Order:
        seen.append((order, more, by, maybe))
        return order

    order = an_order()
    given = (order, [order, an_order()], {"ink": order.items[0]}, None)
    job = takes.enqueue(*given)
    jobs.worker().run_until_empty()
    assert seen == [given]
    assert jobs.result(job.id) == order.model_dump(mode="json", by_alias=True)


def test_what_a_model_leaves_out_by_its_own_will_stays_out(jobs: Jobs) -> None:
    @jobs.handler
    def takes(one: Excluding) -> Login:
        assert (one.kept, one.cached) == (1, 0)
        return Login(password=SecretStr("hunter2"))

    job = takes.enqueue(Excluding(kept=1, cached=2))
    jobs.worker().run_until_empty()
    assert jobs.result(job.id) == {"password": "**********"}


@pytest.mark.parametrize("one", [Login(password=SecretStr("hunter2")), Written(name="Ada")])
def test_a_model_that_its_json_does_not_bring_back_is_refused(jobs: Jobs, one: BaseModel) -> None:
    @jobs.handler
    def takes(found: list[BaseModel]) -> None: ...

    with pytest.raises(SerializationError, match="'found'") as caught:
        takes.enqueue([one])
    assert f"{type(one).__name__} does not come back from its own JSON" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert jobs.search().jobs == ()


def test_what_is_no_such_model_fails_with_the_argument_s_name(jobs: Jobs) -> None:
    @jobs.handler(max_retries=0)
    def takes(order: Order) -> None: ...

    job = jobs.enqueue("takes", {"order": {"id": 7}})
    jobs.worker().run_until_empty()
    found = jobs.find(job.id)
    assert found is not None
    assert found.error is not None
    assert "takes: argument 'order': " in found.error.message
    assert "userName" in found.error.message
