"""The cells of one worker: a warm pool of processes, grown to the jobs that need one.

What belongs here: which cell a job gets, and from a cell's words to what a handler's call would
have done. What does not: one cell (`keeper`).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING, Any

from boundary.jobs.core.records import JobError
from boundary.jobs.core.steering import Cancel, Discard, JobResult, Retry, Snooze, as_job_result
from boundary.jobs.shell.failure import Told
from boundary.jobs.shell.isolation import words
from boundary.jobs.shell.isolation.address import Address, address_of
from boundary.jobs.shell.isolation.keeper import CellLost, Keeper, NotBegun
from boundary.jobs.shell.isolation.words import Begin, Boot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from boundary.jobs.core.wire import Record
    from boundary.jobs.shell.isolation.keeper import Ear
    from boundary.jobs.shell.registry import Handler

log: logging.Logger = logging.getLogger("boundary.jobs")

TRIES = 3
"""Cells a job is given to before the death of each, with nothing begun, counts against it."""

SPARE = 60.0
"""Seconds a cell nobody needs is kept; the last one stays."""

PARTING = 0.2
"""Seconds cells have to end when their worker does."""


class Cells:
    """Runs handlers in processes of their own. Made on the worker's event loop.

    Args:
        addresses: Where cells find the handlers, by job type.
        most: Most bytes of a result.
    """

    def __init__(self, addresses: Mapping[str, Address], most: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._addresses = dict(addresses)
        self._most = most
        self._all: set[Keeper] = set()
        self._idle: list[Keeper] = []
        self._numbers = itertools.count(1)
        self._warming: asyncio.Task[None] | None = None
        self._closed = False
        if addresses:
            self.warm()

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes there are."""
        return tuple(cell.pid for cell in self._all if cell.pid is not None)

    def warm(self) -> None:
        """One cell stands by, soon."""
        if not self._closed and self._warming is None and not self._all:
            self._warming = self._loop.create_task(self._warm())

    async def call(self, handler: Handler[..., Any], record: Record, ear: Ear) -> Any:
        """What the handler returned, as if it had been called here; raises what it raised.

        Raises:
            Told: It failed; the error as the cell described it.
            Steer: As the handler did.
            CellLost: Its process ended.
            CellUnavailable: None could be started.
            UsageError: No process would find the handler.
        """
        begin = self._begin(handler, record)
        for left in reversed(range(TRIES)):
            cell = await self._free()
            try:
                return _value(await cell.run(begin, ear))
            except NotBegun as error:
                if not left:
                    raise CellLost(f"{error}, before the handler was called") from error
            finally:
                self._back(cell, handler)
        raise AssertionError("the last try answers or raises")

    def wind_down(self) -> None:
        """The worker's time is over: processes end as soon as their runs have, without ceremony."""
        self._closed = True
        for cell in list(self._idle):
            cell.kill("its worker ends")

    async def close(self) -> None:
        """No process is left; if there is time, their exit hooks have run."""
        if self._warming is not None:
            self._warming.cancel()
        if not self._closed:
            self._closed = True
            for cell in list(self._all):
                cell.let_go()
            await self._within(PARTING)
        for cell in list(self._all):
            cell.kill("its worker ends")
        await self._within(PARTING)

    async def _within(self, seconds: float) -> None:
        ends = [self._loop.create_task(cell.ended()) for cell in self._all]
        if ends:
            _, late = await asyncio.wait(ends, timeout=seconds)
            for one in late:
                one.cancel()

    def _begin(self, handler: Handler[..., Any], record: Record) -> Begin:
        job_type = handler.job_type
        address = self._addresses.get(job_type)
        if address is None:
            # Registered after the worker began.
            address = self._addresses[job_type] = address_of(handler)
        terms = handler.isolation
        memory = None if terms is None else terms.memory_limit
        number = next(self._numbers)
        return Begin(number, address.module, address.name, job_type, record, self._most, memory)

    # The pool

    async def _warm(self) -> None:
        try:
            self._put(await self._start())
        except Exception as error:  # noqa: BLE001 - the first job that needs one finds out as well
            log.warning("no process for isolated handlers yet: %s", error)
        finally:
            self._warming = None

    async def _free(self) -> Keeper:
        while self._idle:
            cell = self._idle.pop()
            if cell.alive:
                return cell
        if self._warming is not None:
            await asyncio.wait({self._warming})
            if self._idle:
                return self._idle.pop()
        return await self._start()

    async def _start(self) -> Keeper:
        modules = tuple(dict.fromkeys(one.module for one in self._addresses.values()))
        level = logging.getLogger("boundary.jobs").getEffectiveLevel()
        cell = Keeper(Boot(modules, level), self._most, self._forget)
        self._all.add(cell)
        try:
            await cell.start()
        except BaseException:
            self._all.discard(cell)
            cell.let_go()
            raise
        return cell

    def _back(self, cell: Keeper, handler: Handler[..., Any]) -> None:
        """The cell has done with its job."""
        terms = handler.isolation
        most = None if terms is None else terms.recycle_after
        if cell.alive and not self._closed and (most is None or cell.runs < most):
            self._put(cell)
        elif self._closed:
            cell.kill("its worker ends")
        else:
            cell.let_go()

    def _put(self, cell: Keeper) -> None:
        self._idle.append(cell)
        if len(self._all) > 1:
            self._loop.call_later(SPARE, self._spare, cell, cell.runs)

    def _spare(self, cell: Keeper, runs: int) -> None:
        """It had no job since: end it, if there is another one."""
        if cell in self._idle and cell.runs == runs and len(self._all) > 1:
            self._idle.remove(cell)
            cell.let_go()

    def _forget(self, cell: Keeper) -> None:
        self._all.discard(cell)
        if cell in self._idle:
            self._idle.remove(cell)
        if cell.ready:  # one that never came up would come up no better
            self.warm()


def _value(end: words.End) -> Any:
    match end:
        case words.Returned(result=result):
            # An answer in the seed's form was understood in the cell; its result is not one.
            return result if as_job_result(result) is None else JobResult.success(result)
        case words.Failed():
            raise Told(JobError(end.message, end.type, end.stacktrace))
        case words.Steered(how="retry"):
            raise Retry(end.wait)
        case words.Steered(how="snooze"):
            raise Snooze(end.wait or 0.0)
        case words.Steered(how="cancel"):
            raise Cancel(end.reason)
        case _:
            raise Discard(end.reason)
