"""A network between real clients, real workers and Redis that breaks in every way it can."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from devservers.proxy import Proxy
from devservers.single import Server
from devservers.waiting import until
from tests.chaos.card import hand_in, scale, seed
from tests.chaos.traffic import CANCELS, Traffic
from tests.processes.conftest import Floor

LATENCY = 0.15


class Way(NamedTuple):
    """A process's own way to the server."""

    proxy: Proxy
    pid: int
    is_worker: bool


class Net:
    """Two workers and two producers at a server, each through a proxy of its own."""

    def __init__(self, folder: Path, server: Server, stack: ExitStack) -> None:
        self.floor = Floor(folder, server.url()).short_lease()
        stack.callback(self.floor.close)
        self.traffic = Traffic(self.floor, cancels=CANCELS)
        self.ways = [
            self._way(stack, server, made) for made in (self.traffic.work, self.traffic.produce) * 2
        ]
        self.traffic.running()

    def _way(self, stack: ExitStack, server: Server, made: Callable[..., Any]) -> Way:
        proxy = stack.enter_context(Proxy(server.port))
        process = made(BOUNDARY_JOBS_URL=f"redis://{proxy.host}:{proxy.port}")
        return Way(proxy, process.pid, made == self.traffic.work)


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    with Server() as server, ExitStack() as stack:
        yield Net(tmp_path, server, stack)


def cut(way: Way, chance: random.Random) -> None:
    """All connections of this process are reset, some times in a row."""
    for _ in range(chance.randint(1, 4)):
        way.proxy.cut()
        time.sleep(chance.uniform(0.0, 0.1))


def away(way: Way, chance: random.Random) -> None:
    """The server cannot be reached at all."""
    way.proxy.refuse()
    way.proxy.cut()
    time.sleep(chance.uniform(0.1, 1.5))
    way.proxy.heal()


def black_hole(*directions: Any) -> Callable[[Way, random.Random], None]:
    def harm(way: Way, chance: random.Random) -> None:
        way.proxy.blackhole(chance.choice(directions))
        time.sleep(chance.uniform(0.1, 3.5))  # the lease is 2 s: some outlast it
        way.proxy.heal()

    return harm


def slow(way: Way, chance: random.Random) -> None:
    """Every call takes so much longer, some past their timeout."""
    way.proxy.latency(LATENCY * chance.choice((1, 1, 5)))
    time.sleep(chance.uniform(0.3, 1.0))
    way.proxy.heal()


def dropped(fate: str) -> Callable[[Way, random.Random], None]:
    """The k-th call from now on, whichever it is, is lost on its way or after it was done."""

    def harm(way: Way, chance: random.Random) -> None:
        before = way.proxy.dropped
        getattr(way.proxy, fate)(chance.randint(1, 12))
        until(lambda: way.proxy.dropped > before, "the call came", 5)

    return harm


HARMS: dict[str, Callable[[Way, random.Random], None]] = {
    "connections cut": cut,
    "server out of reach": away,
    "requests into a black hole": black_hole("up"),
    "replies into a black hole": black_hole("down"),
    "black hole both ways": black_hole("both"),
    "latency": slow,
    "request lost": dropped("drop_request"),
    "reply lost after execution": dropped("drop_reply"),
}


def suffer(net: Net, kind: str, way: Way, chance: random.Random) -> None:
    """The process was harmed so; a worker goes on after it."""
    with net.traffic.harm(kind, str(way.pid)):
        HARMS[kind](way, chance)
    if way.is_worker:
        net.traffic.goes_on(10, way.pid)


@pytest.mark.long
@pytest.mark.timeout(7_200)
def test_a_network_that_breaks_in_every_way_loses_nothing(net: Net) -> None:
    """Each round harms a worker and a producer in the same way, now these, now the others."""
    with ThreadPoolExecutor(2) as pool:
        rounds = scale(len(HARMS), 600)
        for number, kind in enumerate(itertools.islice(itertools.cycle(HARMS), rounds)):
            first = number // len(HARMS) + number & 1
            victims = net.ways[2 * first : 2 * first + 2]
            chances = (random.Random(f"{seed()} {number} {place}") for place in range(2))
            done = [
                pool.submit(suffer, net, kind, way, chance)
                for way, chance in zip(victims, chances, strict=True)
            ]
            for one in done:
                one.result()
    net.traffic.drain()
    told = f"producers were told {dict(net.traffic.errors())}"
    hand_in(net.traffic.card("G2", "network that breaks in every way", "Redis", note=told))


@pytest.mark.timeout(7_200)
def test_every_call_of_a_worker_may_lose_its_reply(net: Net) -> None:
    """Of the first, the second, ... call from now on: none is safe because of its place."""
    for k in range(scale(9, 300)):
        for way in (one for one in net.ways if one.is_worker):
            before = way.proxy.dropped
            with net.traffic.harm("reply lost after execution", str(way.pid)):
                way.proxy.drop_reply(k % 25 + 1)
                until(lambda way=way, before=before: way.proxy.dropped > before, "it came", 10)
            net.traffic.goes_on(10, way.pid)
    net.traffic.drain()
    hand_in(net.traffic.card("G7", "replies lost after execution", "Redis"))
