"""Dead letters by what caused them: the page to mend many jobs from.

What belongs here: what it shows. What does not: what makes two failures one cause (`core.causes`).
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, UnsetType

from boundary.jobs.errors import UsageError
from boundary.jobs.shell.flows import PAGE
from boundary.jobs.shell.shown import shown_group
from boundary.jobs.shell.web.api.endpoint import Ask
from boundary.jobs.shell.web.api.questions import Query
from boundary.jobs.shell.web.pages.page import View
from boundary.jobs.shell.web.pages.tracebacks import place

FEW: Final = 3
"""Jobs of a group that are tried before the rest."""
SHOWN: Final = 50
"""Causes on the page, unless all that were counted are asked for."""


class Narrowed(Query, frozen=True, kw_only=True):
    """Dead letters of one queue or job type."""

    queue: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    job_type: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    causes: Literal["all"] | UnsetType = UNSET


async def dead_page(ask: Ask[Narrowed, None]) -> View:
    """Groups of dead letters, that seen last first."""
    given = ask.query.given()
    shown = PAGE if given.pop("causes", None) else SHOWN
    problem = ""
    try:
        found, queues = await asyncio.gather(
            ask.jobs.failure_groups(limit=PAGE, **given), ask.jobs.queues()
        )
    except UsageError as error:
        found, queues, problem = [], await ask.jobs.queues(), error.message
    groups = [shown_group(group) for group in found[:shown]]
    return View(
        "dead.html",
        "Dead letters",
        "/dead",
        {
            "groups": groups,
            "where": {
                group.fingerprint: place((group.error and group.error.stacktrace) or "")
                for group in groups
            },
            "total": sum(group.count for group in found),
            "causes": len(found),
            "others": sum(group.count for group in found[shown:]),
            "complete": len(found) < PAGE,
            "given": given,
            "problem": problem,
            "queue_names": [row.queue_name for row in queues],
            "few": FEW,
        },
        400 if problem else 200,
    )
