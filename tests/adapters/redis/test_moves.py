"""Jobs whose server changes under them: a failover, and slots that move."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from boundary.jobs.core.operations import Enqueue, Find, Time
from boundary.jobs.errors import BackendUnavailable
from boundary.jobs.shell.adapters.redis.keys import slot
from boundary.jobs.testing.contract.words import ident, new
from devservers.cluster import Cluster
from devservers.sentinel import Sentinels
from tests.waiting import PATIENCE, Stopwatch, eventually


def one(name: str) -> Enqueue:
    return Enqueue((new(name),))


def test_a_failover_is_lived_through(opened):
    with Sentinels() as made:
        hosts = ",".join(f"{host}:{port}" for host, port in made.sentinels)
        store = opened(f"redis+sentinel://{hosts}/{made.master_name}/0", timeout=1_000)

        def answers(door) -> bool:
            try:
                return door.execute(Time()) > 0
            except BackendUnavailable:
                return False

        async def on_a_loop() -> None:
            other = store.asynchronous()
            for _ in range(200):
                try:
                    await other.execute(one("c"))
                    break
                except BackendUnavailable:
                    await asyncio.sleep(0.05)
            (found,) = await other.execute(Find((ident("c"),)))
            assert found is not None
            await other.close()

        with closing(store.blocking()) as door:
            door.execute(one("a"))
            made.failover(kill=True)
            eventually("the new master answers", lambda: answers(door))
            door.execute(one("b"))
            assert door.execute(Find((ident("b"),))) != (None,)
            asyncio.run(on_a_loop())


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as made:
        yield made


def url_of(cluster: Cluster) -> str:
    return "redis+cluster://" + ",".join(f"{host}:{port}" for host, port in cluster.nodes)


def elsewhere(cluster: Cluster, number: int):
    owner = cluster.owner(number)
    return next(node for node in cluster.servers if node is not owner)


def test_a_slot_that_has_moved_is_followed(opened, namespace, cluster):
    store = opened(url_of(cluster), timeout=2_000)
    number = slot(namespace, 0)
    assert number == cluster.slot_of(f"{{{namespace}:0}}:job")
    with closing(store.blocking()) as door:
        door.execute(one("a"))
        cluster.move_slot(number, elsewhere(cluster, number))
        assert door.execute(one("b")).fresh == (True,)
        assert None not in door.execute(Find((ident("a"), ident("b"))))


def test_a_call_waits_while_its_slot_moves(opened, namespace, cluster):
    """No script runs where half of its keys have left."""
    store = opened(url_of(cluster), timeout=60_000)
    number = slot(namespace, 0)
    with closing(store.blocking()) as door:
        door.execute(one("a"))
        done: list[object] = []
        target = elsewhere(cluster, number)
        with cluster.migrating(number, target):
            thread = threading.Thread(target=lambda: done.append(door.execute(one("b"))))
            thread.start()
            time.sleep(0.3)
            assert not done
        thread.join(PATIENCE)
        assert done
        assert None not in door.execute(Find((ident("a"), ident("b"))))


def test_a_slot_that_does_not_stop_moving_is_not_available(opened, namespace, cluster):
    store = opened(url_of(cluster), timeout=400)
    number = slot(namespace, 0)
    with closing(store.blocking()) as door:
        door.execute(one("a"))
        with cluster.migrating(number, elsewhere(cluster, number)):
            began = Stopwatch()
            with pytest.raises(BackendUnavailable):
                door.execute(one("b"))
            assert began.took() < 1.0
        assert door.execute(one("b")).fresh == (True,)
