"""An operation is found under one file name everywhere: what it promises, means, does, and its cases."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from boundary.jobs.core import model, operations
from boundary.jobs.core.operations import Operation
from boundary.jobs.shell.adapters.redis import plans as on_redis
from boundary.jobs.shell.adapters.sqlite import plans as in_sql
from boundary.jobs.testing import contract

OPERATIONS = [
    one
    for one in vars(operations).values()
    if isinstance(one, type) and issubclass(one, Operation) and one is not Operation
]


def topic(thing: Any) -> str:
    return str(thing.__module__).rpartition(".")[2]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.__name__)
def test_an_operation_has_one_topic(operation: type[Operation[Any]]) -> None:
    where = topic(operation)
    assert topic(model._ARMS[operation]) == where
    assert topic(on_redis._PLANS[operation]) == where
    # What SQLite announces never gets to a plan: it is nothing that is stored.
    assert where == "watching" or topic(in_sql._PLANS[operation]) == where
    cases = Path(str(contract.__file__)).with_name(f"{where}.py").read_text()
    assert f"`{operation.__name__}`" in cases or f" {operation.__name__}(" in cases


@pytest.mark.parametrize("package", [operations, model, on_redis, in_sql, contract])
def test_a_topic_is_read_in_one_sitting(package: ModuleType) -> None:
    for path in Path(str(package.__file__)).parent.glob("*.py"):
        assert len(path.read_text().splitlines()) < 400, path


def test_the_walk_leads_past_files_that_are_there() -> None:
    """Every file that docs/internals.md names."""
    root = Path(__file__).parents[2]
    package = root / "src" / "boundary" / "jobs"
    below = [package, package / "shell", package / "shell" / "adapters", root, package.parents[1]]
    names = re.findall(r"`([\w/]+\.(?:py|lua))`", (root / "docs" / "internals.md").read_text())
    assert len(names) > 40
    for name in names:
        alone = "/" not in name and any(package.rglob(name))
        assert alone or any((place / name).exists() for place in below), name
