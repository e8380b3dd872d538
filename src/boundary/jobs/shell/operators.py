"""What operators ask and do, each written once as steps.

What belongs here: flows for the person on call. What does not: what every caller can do (`flows`),
and what an answer means (`core`).
"""

from __future__ import annotations

import secrets

from boundary.jobs.core import why as reasons
from boundary.jobs.core.operations import Explain, Instruct, Order, Stats, Word
from boundary.jobs.core.why import Why
from boundary.jobs.shell.flows import Flow, JobId, ask
from boundary.jobs.shell.options import as_id


def why(job_id: JobId) -> Flow[Why | None]:
    """Why the job is not running, at this moment. None: no such job."""
    facts = yield from ask(Explain(as_id(job_id)))
    return None if facts is None else reasons.why(facts)


def instruct(word: Word, worker: str | None) -> Flow[int]:
    """This worker is given an order, or all are. How many.

    Args:
        worker: Its id, the beginning of it (``host:pid``), or its process id; None: all.
    """
    order = Order(secrets.token_bytes(16), word)
    meant = None
    if worker is not None:
        snapshot = yield from ask(Stats())
        meant = tuple([row.worker for row in snapshot.workers if _is_called(row.worker, worker)])
    told = yield from ask(Instruct(order, meant))
    return len(told)


def _is_called(id: str, name: str) -> bool:
    return id == name or id.startswith(f"{name}:") or id.split(":")[1:2] == [name]
