"""Connections: how many there are, whose they are, and what is heard on them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from boundary.jobs import Jobs
from boundary.jobs.core.operations import (
    Claim,
    Enqueue,
    Find,
    Interest,
    Outcome,
    Settle,
    Stats,
    Time,
    Topic,
)
from boundary.jobs.errors import (
    BackendUnavailable,
    ConfigError,
    EnqueueUncertain,
    InvalidName,
    StoreRefused,
    UsageError,
)
from boundary.jobs.shell import config
from boundary.jobs.shell.adapters.redis import async_hearing
from boundary.jobs.testing.contract.words import ident, new
from devservers.single import Server
from devservers.waiting import until
from tests.waiting import PATIENCE, Stopwatch


def one(name, **fields):
    return Enqueue((new(name, **fields),))


def clients(server):
    """How many connections come in by the port (our own questions by the socket)."""
    lines = server.call("CLIENT", "LIST").splitlines()
    return sum(f"laddr=127.0.0.1:{server.port}" in line for line in lines)


# How many


def test_no_more_than_max_total(opened, server):
    store = opened(server.url(), timeout=60_000, max_total=3)
    seen = []
    over = threading.Event()

    def watch():
        while not over.wait(0.002):
            seen.append(clients(server))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with closing(store.blocking()) as door:

        def work(n):
            for _ in range(50):
                assert door.execute(Time()) > 0
            return door.execute(one(f"j{n}")).fresh

        with ThreadPoolExecutor(20) as pool:
            assert list(pool.map(work, range(20))) == [(True,)] * 20
        over.set()
        watcher.join()
        assert 1 <= max(seen) <= 3
        assert sum(load.ready for load in door.execute(Stats()).loads) == 20


def test_one_that_waits_in_vain_for_a_connection_says_so(opened, within, server):
    with closing(opened(server.url(), max_total=1).blocking()) as door:
        door.execute(Time())
        used = door.driver.pool(door.driver.known.nodes.of(0)).take(1)
        with within(1.0), pytest.raises(BackendUnavailable, match=r"redis\.max_total"):
            door.execute(Time())
        door.driver.pool(door.driver.known.nodes.of(0)).give(used)
        assert door.execute(Time()) > 0


def test_no_more_than_max_idle_are_kept(opened, server):
    with closing(opened(server.url(), max_total=10, max_idle=2).blocking()) as door:
        start = threading.Barrier(8)

        def work(_):
            start.wait()
            for _ in range(20):
                door.execute(Time())

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
        until(lambda: clients(server) <= 2, "it does not come true", PATIENCE)
    until(lambda: clients(server) == 0, "it does not come true", PATIENCE)


def test_a_loop_has_one_connection(opened, server):
    async def main():
        door = opened(server.url()).asynchronous()
        try:
            await asyncio.gather(*(door.execute(Time()) for _ in range(100)))
            assert clients(server) == 1
        finally:
            await door.close()
        assert clients(server) == 0

    asyncio.run(main())


# Whose


FORK = """
import os, sys
from boundary.jobs.core.operations import Enqueue, Find, Time
from boundary.jobs.shell.adapters.redis.store import RedisStore
from boundary.jobs.shell.settings import RedisSettings
from boundary.jobs.testing.contract.words import ident, new
from tests.waiting import PATIENCE, Stopwatch

door = RedisStore.of(sys.argv[1], RedisSettings(), namespace=sys.argv[2]).blocking()
door.execute(Enqueue(tuple(new(f"p{n}") for n in range(4))))

def work(n):
    for k in range(100):
        (found,) = door.execute(Find((ident(f"p{n}"),)))
        assert found.id == ident(f"p{n}"), found
        assert door.execute(Enqueue((new(f"c{n}.{k}"),))).fresh == (True,)

children = []
for n in range(4):
    child = os.fork()
    if child == 0:
        try:
            work(n)
        except BaseException as error:
            print(n, repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
for k in range(100):
    assert door.execute(Find((ident("p0"),)))[0].id == ident("p0")
sys.exit(sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
def test_children_of_a_fork_have_connections_of_their_own(opened, redis_url, namespace):
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK, redis_url, namespace],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    with closing(opened(redis_url).blocking()) as door:
        assert sum(load.ready for load in door.execute(Stats()).loads) == 404


# Replicas


def test_a_replicated_enqueue_counts_once_a_replica_has_it(opened, within, server):
    server.call("CONFIG", "SET", "repl-diskless-sync-delay", "0")
    with Server(f"replicaof 127.0.0.1 {server.port}") as replica:
        until(
            lambda: "master_link_status:up" in replica.call("INFO", "replication"),
            "it does not come true",
            5,
        )
        with closing(opened(server.url(), durability="replicated").blocking()) as door:
            assert door.execute(one("a")).fresh == (True,)
            replica.pause()
            try:
                with within(1.0), pytest.raises(EnqueueUncertain, match="0 of 1 replicas") as no:
                    door.execute(one("b"))
            finally:
                replica.resume()
            assert len(no.value.job_ids) == 1
            assert door.execute(one("b")).fresh == (False,)
            assert sum(load.ready for load in door.execute(Stats()).loads) == 2


# Names


BAD = ["{x}", "a b", "a\nb", "ünïcode", "x" * 10_240, "", "a\x00b", "../x"]


@pytest.mark.parametrize("name", BAD)
def test_bad_names_are_refused(redis_url, name):
    with pytest.raises(InvalidName):
        Jobs(redis_url, name)
    with pytest.raises(ConfigError, match="namespace"):
        Jobs(redis_url, config={"namespace": name})
    with Jobs(redis_url) as jobs:
        with pytest.raises(UsageError):
            jobs.enqueue(name, {})
        with pytest.raises(UsageError):
            jobs.enqueue("send", {}, queue=name or " ")
        with pytest.raises(UsageError):
            jobs.pause(name)
        with pytest.raises(UsageError):
            jobs.worker(queues=[name])
        assert jobs.queues() == []


def test_a_namespace_in_a_variable_is_checked(tmp_path):
    with pytest.raises(ConfigError, match="BOUNDARY_JOBS_NAMESPACE") as caught:
        config.load(None, {"BOUNDARY_JOBS_NAMESPACE": "{x}"}, tmp_path)
    assert "A-Z a-z 0-9 _ . : -" in str(caught.value)
    assert config.load(None, {"BOUNDARY_JOBS_NAMESPACE": "x:1"}, tmp_path).namespace == "x:1"


# Cancelled


def test_a_task_that_is_cancelled_disturbs_no_other(opened, redis_url):
    async def main():
        door = opened(redis_url).asynchronous()
        try:
            await door.execute(Time())
            for turn in range(10):
                tasks = [
                    asyncio.ensure_future(door.execute(one(f"j{turn}.{n}"))) for n in range(50)
                ]
                for _ in range(turn % 4):
                    await asyncio.sleep(0)
                tasks[turn * 5].cancel()
                ends = await asyncio.gather(*tasks, return_exceptions=True)
                ok = [n for n, end in enumerate(ends) if not isinstance(end, BaseException)]
                assert set(range(50)) - set(ok) <= {turn * 5}
                assert all(ends[n].fresh == (True,) for n in ok)
                records = await door.execute(Find(tuple(ident(f"j{turn}.{n}") for n in ok)))
                assert [record.id for record in records] == [ident(f"j{turn}.{n}") for n in ok]
        finally:
            await door.close()

    asyncio.run(main())


def test_a_reader_that_is_cancelled_leaves_replies_to_whom_they_belong(opened, redis_url):
    async def main():
        door = opened(redis_url).asynchronous()
        try:
            await door.execute(Enqueue(tuple(new(f"j{n}") for n in range(50))))
            for turn in range(10):
                tasks = [
                    asyncio.ensure_future(door.execute(Find((ident(f"j{n}"),)))) for n in range(50)
                ]
                await asyncio.sleep(0)
                tasks[turn].cancel()
                ends = await asyncio.gather(*tasks, return_exceptions=True)
                for n, end in enumerate(ends):
                    if n != turn:
                        assert end[0].id == ident(f"j{n}")
        finally:
            await door.close()

    asyncio.run(main())


# Results


@pytest.fixture
def lasting():
    """A server that has after a restart what it had before."""
    with Server("appendonly yes", "appendfsync always") as server:
        yield server


def finish(url):
    """The job is run, by a worker of its own connection."""
    with Jobs(url) as jobs, closing(jobs.store.blocking()) as door:
        (record,) = door.execute(Claim("w1", None, 1, 30_000, join=True)).jobs
        outcome = Outcome(record.id, record.token, "succeed", keep_ms=60_000)
        assert door.execute(Settle("w1", (outcome,))).accepted == (True,)


def test_a_result_is_waited_for_across_a_restart(lasting):
    with Jobs(lasting.url()) as jobs, ThreadPoolExecutor(1) as pool:
        job = jobs.enqueue("send", {})
        ends = pool.submit(jobs.result, job.id, 20)
        time.sleep(0.3)
        lasting.restart()
        time.sleep(0.5)
        assert not ends.done()
        finish(lasting.url())
        assert ends.result(PATIENCE) is None


def test_a_result_is_waited_for_across_a_restart_on_a_loop(lasting):
    async def main():
        async with Jobs(lasting.url()) as jobs:
            job = await jobs.aio.enqueue("send", {})
            waiting = asyncio.ensure_future(jobs.aio.result(job.id, 20))
            await asyncio.sleep(0.2)
            await asyncio.to_thread(lasting.restart)
            await asyncio.sleep(0.5)
            assert not waiting.done()
            start = Stopwatch()
            await asyncio.to_thread(finish, lasting.url())
            assert await asyncio.wait_for(waiting, PATIENCE) is None
            assert start.took() < 1.0  # told of it, not found by a recheck

    asyncio.run(main())


def test_a_result_of_a_server_that_does_not_come_back_is_an_error(lasting, within):
    with (
        Jobs(lasting.url(), config={"redis": {"timeout": 500}}) as jobs,
        ThreadPoolExecutor(1) as pool,
    ):
        job = jobs.enqueue("send", {})
        ends = pool.submit(jobs.result, job.id, 20)
        time.sleep(0.2)
        lasting.kill()
        with within(2.0), pytest.raises(BackendUnavailable):
            ends.result(PATIENCE)


def test_many_wait_for_results_across_a_restart(lasting):
    with Jobs(lasting.url()) as jobs, ThreadPoolExecutor(5) as pool:
        ids = [jobs.enqueue("send", {}).id for _ in range(5)]
        ends = [pool.submit(jobs.result, one, 20) for one in ids]
        time.sleep(0.2)
        lasting.restart()
        for _ in ids:
            finish(lasting.url())
        assert [end.result(PATIENCE) for end in ends] == [None] * 5
        until(lambda: clients(lasting) <= 7, "connections are left", PATIENCE)


def test_a_result_of_a_server_that_does_not_come_back_is_an_error_on_a_loop(lasting, within):
    async def main():
        async with Jobs(lasting.url(), config={"redis": {"timeout": 500}}) as jobs:
            job = await jobs.aio.enqueue("send", {})
            waiting = asyncio.ensure_future(jobs.aio.result(job.id, 20))
            await asyncio.sleep(0.2)
            lasting.kill()
            with within(2.0), pytest.raises(BackendUnavailable):
                await asyncio.wait_for(waiting, PATIENCE)

    asyncio.run(main())


# Deaf


def test_a_user_without_channels_is_refused(server):
    server.call("ACL", "SETUSER", "poor", "on", ">pw", "~*", "resetchannels", "+@all")
    with Jobs(server.url(username="poor", password="pw")) as jobs:
        job = jobs.enqueue("send", {})
        with pytest.raises(StoreRefused, match="rights"):
            jobs.result(job.id, 1)


def test_a_user_without_channels_is_refused_on_a_loop(server):
    server.call("ACL", "SETUSER", "poor", "on", ">pw", "~*", "resetchannels", "+@all")

    async def main():
        async with Jobs(server.url(username="poor", password="pw")) as jobs:
            job = await jobs.aio.enqueue("send", {})
            with pytest.raises(StoreRefused, match="rights"):
                await jobs.aio.result(job.id, 1)

    asyncio.run(main())


def test_a_user_that_may_not_wait_for_work_is_refused(opened, server):
    server.call("ACL", "SETUSER", "poor", "on", ">pw", "~*", "&*", "+@all", "-bzpopmin")
    store = opened(server.url(username="poor", password="pw"))
    with (
        closing(store.blocking()) as door,
        door.listen(Interest(Topic.WORK)) as listener,
        pytest.raises(StoreRefused, match="rights"),
    ):
        listener.wait(0.1)


def test_a_user_that_may_not_wait_for_work_is_refused_on_a_loop(opened, server):
    server.call("ACL", "SETUSER", "poor", "on", ">pw", "~*", "&*", "+@all", "-bzpopmin")

    async def main():
        door = opened(server.url(username="poor", password="pw")).asynchronous()
        try:
            async with await door.listen(Interest(Topic.WORK)) as listener:
                with pytest.raises(StoreRefused, match="rights"):
                    await listener.wait(0.1)
            with pytest.raises(StoreRefused, match="rights"):
                await door.claim_when_told(Claim("w1", None, 1, 30_000, join=True), 0.1)
        finally:
            await door.close()

    asyncio.run(main())


# Closed


def test_closing_ends_a_wait_and_its_connection(opened, server):
    door = opened(server.url()).blocking()
    listener = door.listen(Interest(Topic.RESULT))
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(listener.wait, 10)
        time.sleep(0.1)
        door.close()
        assert heard.result(PATIENCE) is False
    until(lambda: clients(server) == 0, "connections are left", PATIENCE)


def test_one_that_is_cancelled_while_it_connects_disturbs_no_other(opened, server):
    async def main():
        for turns in range(6):
            door = opened(server.url()).asynchronous()
            try:
                tasks = [asyncio.ensure_future(door.execute(Time())) for _ in range(20)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                tasks[0].cancel()
                ends = await asyncio.gather(*tasks, return_exceptions=True)
                assert all(isinstance(end, int) for end in ends[1:])
            finally:
                await door.close()
        until(lambda: clients(server) == 0, "connections are left", PATIENCE)

    asyncio.run(main())


def test_who_begins_to_listen_in_the_moment_the_ears_rest_hears(opened, server, monkeypatch):
    """Both timers are due in one turn of a loop that was held up."""
    monkeypatch.setattr(async_hearing, "LINGER", 0.1)
    interest = Interest(Topic.RESULT)

    async def main():
        loop = asyncio.get_running_loop()
        door = opened(server.url(), timeout=5_000).asynchronous()
        await door.execute(Enqueue((new("a"),)))
        (job,) = (await door.execute(Claim("w1", None, 1, 30_000, join=True))).jobs
        await (await door.listen(interest)).close()
        rests = door._ears._resting.when()
        comes = loop.create_future()
        loop.call_at(rests - 0.002, time.sleep, 0.02)
        loop.call_at(rests - 0.001, comes.set_result, None)
        await comes
        listener = await door.listen(interest)
        while await listener.wait(0.1):  # it may be told to look when it has another connection
            pass
        await door.execute(Settle("w1", (Outcome(job.id, job.token, "succeed"),)))
        assert await listener.wait(PATIENCE)
        await listener.close()
        await door.close()

    asyncio.run(main())


def test_ears_that_rested_long_have_no_connection(opened, server, monkeypatch):
    monkeypatch.setattr(async_hearing, "LINGER", 0.05)

    def ears():
        return sum("sub=" in line and " sub=0" not in line for line in clients())

    def clients():
        return server.call("CLIENT", "LIST").splitlines()

    async def main():
        door = opened(server.url(), timeout=5_000).asynchronous()
        for _ in range(2):
            listener = await door.listen(Interest(Topic.RESULT))
            assert ears() == 1
            await listener.close()
            await asyncio.to_thread(until, lambda: ears() == 0, "it listens on", PATIENCE)
        await door.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_a_store_closed_under_a_claim_that_waits_says_so(opened, server):
    claim = Claim("w1", None, 1, 30_000, join=True)

    async def main():
        door = opened(server.url(), timeout=5_000).asynchronous()
        await door.execute(claim)
        await door.claim_when_told(claim, 0.05)
        waiting = asyncio.ensure_future(door.claim_when_told(claim, PATIENCE))
        await asyncio.sleep(0.05)
        await door.close()
        with pytest.raises(BackendUnavailable, match="this side closed"):
            await waiting

    asyncio.run(main())
