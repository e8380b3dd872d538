"""What a worker finds around it, besides its store and its clock.

What belongs here: the few things a worker takes from its process, as one value, so that a
simulation can be a process too. What does not: anything the worker does with them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from boundary.jobs.shell.ids import incarnation
from boundary.jobs.shell.pulse import Pulse
from boundary.jobs.shell.threads import Threads
from boundary.jobs.shell.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from boundary.jobs.ports import Store
    from boundary.jobs.shell.flows import Flow
    from boundary.jobs.shell.threads import MakeThreads


class Surroundings(NamedTuple):
    """A process, to a worker.

    Attributes:
        incarnation: A name no other worker has or had.
        monotonic: Seconds that only grow, also while the event loop is blocked; from any thread.
        pulse: Takes a flow's steps beside the event loop, while its context lasts.
        threads: Makes the threads for handlers that block.
        watch: Looks after what handlers do to the process, while its context lasts; `watch.Watch`
            says what it is given.
    """

    incarnation: Callable[[], str] = incarnation
    monotonic: Callable[[], float] = time.monotonic
    pulse: Callable[[Store, Flow[None]], AbstractContextManager[object]] = Pulse
    threads: MakeThreads = Threads
    watch: Callable[..., AbstractContextManager[object]] = Watch
