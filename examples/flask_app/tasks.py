"""What this application does in the background."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from flask import current_app, has_app_context

from boundary.jobs import Jobs

P = ParamSpec("P")
R = TypeVar("R")

jobs = Jobs()


def with_app(function: Callable[P, R]) -> Callable[P, R]:
    """The function runs in the application's context: that of the caller, or one made for it."""

    @functools.wraps(function)
    def in_context(*args: P.args, **kwargs: P.kwargs) -> R:
        if has_app_context():
            return function(*args, **kwargs)
        from app import create_app  # here: the application imports this module

        with create_app().app_context():
            return function(*args, **kwargs)

    return in_context


@jobs.handler(queue="exports", max_retries=2)
@with_app
def export(customer: str) -> str:
    """A second run writes the same file again, so it does no harm."""
    path = Path(current_app.config["EXPORTS"]) / f"{customer}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"customer\n{customer}\n")
    return path.name
