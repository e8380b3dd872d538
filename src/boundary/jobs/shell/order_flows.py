"""Orders to workers, written once as steps: quiet, unquiet, drain, restart.

What belongs here: whom an order is for. What does not: what a worker does with it
(`core.dispatcher`).
"""

from __future__ import annotations

import os

from boundary.jobs.core.operations import Instruct, Order, Stats, Word
from boundary.jobs.shell.flows import Flow, ask
from boundary.jobs.shell.hands import Hand

EVERY = "every worker"
"""What the log says of an order that was for all."""


def instruct(word: Word, worker: str | None, hand: Hand | None = None) -> Flow[int]:
    """This worker is given an order, or all are. How many.

    Args:
        worker: Its id, the beginning of it (``host:pid``), or its process id; None: all.
    """
    order = Order(os.urandom(16), word)
    meant = None
    if worker is not None:
        snapshot = yield from ask(Stats())
        meant = tuple([row.worker for row in snapshot.workers if _is_called(row.worker, worker)])
    act = None if hand is None else hand.act(word, worker or EVERY, undoable=False)
    told = yield from ask(Instruct(order, meant, act))
    return len(told)


def _is_called(id: str, name: str) -> bool:
    return id == name or id.startswith(f"{name}:") or id.split(":")[1:2] == [name]
