"""However a server fails, every call ends in time, with an error of ours."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from boundary.jobs.core.operations import Claim, Enqueue, Find, Interest, Stats, Time, Topic
from boundary.jobs.errors import BackendError, BackendUnavailable, EnqueueUncertain
from boundary.jobs.testing.contract.words import ident, new
from devservers.proxy import Proxy
from devservers.sentinel import Sentinels
from devservers.single import Server
from tests.waiting import PATIENCE, eventually

LIMIT = 1.0
"""The timeout of `opened`, and half a second."""


def one(name, **fields):
    return Enqueue((new(name, **fields),))


def large(number=100):
    """More than the sockets of both sides hold."""
    return Enqueue(tuple(new(f"j{n}", payload=b"x" * 250_000) for n in range(number)))


@contextlib.contextmanager
def silent(backlog=10) -> Iterator[int]:
    """A port that takes connections, and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(backlog)
        yield listening.getsockname()[1]


@contextlib.contextmanager
def unreachable() -> Iterator[int]:
    """A port whose SYNs nobody answers, as behind a firewall: its queue is full."""
    with silent(0) as port, contextlib.ExitStack() as stack:
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(("127.0.0.1", port))
        time.sleep(0.05)
        yield port


def fails_in_time(store, within, operation):
    """The error, blocking; on a loop it is of the same kind, as soon."""
    kinds = (BackendUnavailable, EnqueueUncertain)
    with closing(store.blocking()) as door, within(LIMIT), pytest.raises(kinds) as caught:
        door.execute(operation)

    async def on_a_loop():
        door = store.asynchronous()
        try:
            with within(LIMIT), pytest.raises(type(caught.value)):
                await door.execute(operation)
        finally:
            await door.close()

    asyncio.run(on_a_loop())
    return caught.value


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
@pytest.mark.parametrize("place", [silent, unreachable])
def test_nobody_answers(opened, within, scheme, place):
    with place() as port:
        error = fails_in_time(opened(f"{scheme}://127.0.0.1:{port}"), within, one("a"))
    assert f"127.0.0.1:{port} did not answer within 0.5 s" in str(error)
    assert "Is it running and reachable" in str(error)


def test_sentinels_that_do_not_answer(opened, within):
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(silent()) for _ in range(3)]
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        error = fails_in_time(opened(f"redis+sentinel://{hosts}/mymaster/0"), within, Time())
    assert all(str(port) in str(error) for port in ports)


def test_a_sentinel_that_does_not_answer_is_passed_over(opened, within):
    """The next one is asked, in time for the call itself."""
    with Sentinels() as made, silent() as port:
        hosts = f"127.0.0.1:{port}," + ",".join(f"{host}:{n}" for host, n in made.sentinels)
        url = f"redis+sentinel://{hosts}/{made.master_name}/0"
        with within(LIMIT), closing(opened(url).blocking()) as door:
            assert door.execute(Time()) > 0
        wrong = f"redis+sentinel://{hosts}/other/0"
        with (
            closing(opened(wrong).blocking()) as door,
            pytest.raises(BackendUnavailable, match="no master called 'other'"),
        ):
            door.execute(Time())


def test_partitions_share_the_time_of_a_call(opened, within, server):
    store = opened(server.url(), partitions=4)
    with closing(store.blocking()) as door:
        door.execute(Stats())
        server.pause()
        try:
            with within(LIMIT), pytest.raises(BackendUnavailable):
                door.execute(Stats())
        finally:
            server.resume()


def test_silence_that_comes_late_in_a_call(opened, within, redis_server):
    with (
        Proxy(redis_server.port) as proxy,
        closing(opened(f"redis://127.0.0.1:{proxy.port}", timeout=1_000).blocking()) as door,
    ):
        door.execute(Time())
        proxy.refuse()
        proxy.cut()

        def go_silent():
            proxy.blackhole()
            proxy.refuse(on=False)

        later = threading.Timer(0.8, go_silent)
        later.start()
        with within(1.5), pytest.raises(BackendUnavailable):
            door.execute(Time())
        later.join()


def test_a_connection_made_in_haste_does_not_stay_hasty(opened, server):
    """What was left of one call's time is not the limit of all that come later."""
    with closing(opened(server.url(), timeout=1_000).blocking()) as door:
        door.execute(Time())
        server.pause()
        # Its last tries have little time left.
        later = threading.Timer(0.9, server.resume)
        later.start()
        with contextlib.suppress(BackendUnavailable):
            door.execute(Find((ident("a"),)))
        later.join()
        pool = door.driver.pool(door.driver.known.nodes.of(0))
        with closing(door):
            kept = [used for _, used in pool._idle]
            assert all(used.socket_timeout == 1.0 for used in kept)


@pytest.mark.parametrize("wait", [0.75, 0.85, 0.93])
def test_a_server_that_comes_back_late_answers_later_calls_at_leisure(opened, server, wait):
    with closing(opened(server.url(), timeout=1_000).blocking()) as door:
        door.execute(Time())
        server.kill()
        later = threading.Timer(wait, server.restart)
        later.start()
        with contextlib.suppress(BackendUnavailable):
            door.execute(Time())
        later.join()
        door.execute(Time())
        server.pause()
        back = threading.Timer(0.4, server.resume)
        back.start()
        assert door.execute(Claim("w1", None, 1, 30_000, join=True)).alive
        back.join()


def test_those_that_need_a_connection_at_once_fail_at_once(opened, within, server):
    async def main():
        door = opened(server.url()).asynchronous()
        server.pause()
        try:
            with within(LIMIT):
                ends = await asyncio.gather(
                    *(door.execute(Time()) for _ in range(10)), return_exceptions=True
                )
        finally:
            server.resume()
        assert {type(end) for end in ends} == {BackendUnavailable}
        assert await door.execute(Time()) > 0
        await door.close()

    asyncio.run(main())


def test_those_that_listen_at_once_fail_at_once(opened, within, server):
    interest = Interest(Topic.RESULT)

    async def main():
        door = opened(server.url()).asynchronous()
        await door.execute(Time())
        server.pause()
        try:
            with within(LIMIT + 0.5):
                ends = await asyncio.gather(
                    *(door.listen(interest) for _ in range(10)), return_exceptions=True
                )
        finally:
            server.resume()
        assert {type(end) for end in ends} == {BackendUnavailable}
        await (await door.listen(interest)).close()
        await door.close()

    asyncio.run(main())


def test_threads_that_listen_at_once_fail_at_once(opened, within, server):
    with closing(opened(server.url()).blocking()) as door, ThreadPoolExecutor(10) as pool:
        door.execute(Time())
        server.pause()
        try:
            with within(LIMIT + 0.5):
                ends = [pool.submit(door.listen, Interest(Topic.RESULT)) for _ in range(10)]
                assert {type(end.exception()) for end in ends} == {BackendUnavailable}
        finally:
            server.resume()
        door.listen(Interest(Topic.RESULT)).close()


def test_much_at_once_for_a_server_that_stands_still(opened, within, server):
    store = opened(server.url(), timeout=1_000)

    async def main():
        door = store.asynchronous()
        await door.execute(Time())
        server.pause()
        try:
            with within(1.5), pytest.raises(EnqueueUncertain):
                await asyncio.wait_for(door.execute(large()), PATIENCE)
        finally:
            server.resume()
        assert await door.execute(Time()) > 0
        await door.close()

    asyncio.run(main())
    with closing(store.blocking()) as door:
        door.execute(Time())
        server.pause()
        try:
            with within(1.8), pytest.raises(EnqueueUncertain):
                door.execute(large())
        finally:
            server.resume()


def test_much_that_is_cancelled_on_its_way_disturbs_no_other(opened, server):
    """What cannot be repeated keeps its answer, too."""

    async def main():
        door = opened(server.url(), timeout=60_000).asynchronous()
        await door.execute(one("a"))
        server.pause()
        claiming = asyncio.ensure_future(door.execute(Claim("w1", None, 1, 30_000, join=True)))
        await asyncio.sleep(0.05)
        enqueuing = asyncio.ensure_future(door.execute(large()))
        await asyncio.sleep(0.2)
        enqueuing.cancel()
        await asyncio.sleep(0.05)
        server.resume()
        assert [job.id for job in (await claiming).jobs] == [ident("a")]
        assert enqueuing.cancelled() or enqueuing.done()
        with contextlib.suppress(asyncio.CancelledError):
            await enqueuing
        await door.close()

    asyncio.run(main())


def test_whoever_watches_leaves_a_silent_server_without_its_answer(opened, within, server):
    """Its farewell is a courtesy: a task that was cancelled would wait for it."""

    async def main():
        door = opened(server.url(), timeout=60_000).asynchronous()
        watcher = await door.watch()
        server.pause()
        with within(LIMIT):
            await watcher.close()
            await door.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


# Ears


def test_an_ear_for_work_fails_with_an_error_of_ours(opened, within, server):
    with (
        closing(opened(server.url()).blocking()) as door,
        door.listen(Interest(Topic.WORK)) as listener,
    ):
        listener.wait(0.05)
        server.kill()
        for _ in range(3):
            with within(LIMIT), pytest.raises(BackendUnavailable):
                listener.wait(1)
        with within(LIMIT), pytest.raises(BackendUnavailable):
            door.listen(Interest(Topic.WORK, ("mail",)))
        server.restart()
        door.execute(one("a"))
        assert listener.wait(1)


def test_an_ear_for_work_goes_where_the_master_is(opened):
    with Sentinels() as made:
        hosts = ",".join(f"{host}:{port}" for host, port in made.sentinels)
        store = opened(f"redis+sentinel://{hosts}/{made.master_name}/0", timeout=1_000)
        with (
            closing(store.blocking()) as door,
            closing(store.blocking()) as other,
            door.listen(Interest(Topic.WORK)) as listener,
        ):
            listener.wait(0.05)
            made.failover(kill=True)

            def heard() -> bool:
                try:
                    other.execute(Enqueue((new(f"j{time.monotonic()}"),)))
                    return listener.wait(0.3)
                except BackendError:
                    return False

            eventually("it hears of work again", heard)

        async def on_a_loop() -> None:
            door = store.asynchronous()
            ear = await door.listen(Interest(Topic.WORK))
            await ear.close()
            made.servers[0].restart()
            await door.close()

        asyncio.run(on_a_loop())


# Threads


def test_connections_pass_between_many_threads(opened, server):
    """More threads than connections that are kept, none of which is kept for long."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        settings = {"timeout": 5_000, "max_total": 40, "max_idle": 2, "min_idle": 0}
        with (
            closing(opened(server.url(), **settings).blocking()) as door,
            ThreadPoolExecutor(50) as pool,
        ):
            end = time.monotonic() + 2

            def work(_):
                while time.monotonic() < end:
                    door.execute(Time())

            list(pool.map(work, range(50)))
    finally:
        sys.setswitchinterval(before)


def connections(server):
    """Those over TCP, which ours are."""
    lines = server.call("CLIENT", "LIST").splitlines()
    return [line for line in lines if f"laddr=127.0.0.1:{server.port}" in line]


def test_fifty_threads_share_few_connections_fairly(opened, server):
    with (
        closing(opened(server.url(), timeout=1_000, max_total=3).blocking()) as door,
        ThreadPoolExecutor(50) as pool,
    ):
        end = time.monotonic() + 1

        def work(_):
            calls = 0
            while time.monotonic() < end:
                door.execute(Time())
                calls += 1
            return calls

        assert min(pool.map(work, range(50))) > 0
        assert len(connections(server)) <= 3


def test_what_is_under_way_when_a_loop_closes_its_door_ends(opened, within):
    """No connection is left, and nobody waits for ever."""
    with Server() as server:

        async def main():
            door = opened(server.url()).asynchronous()
            await door.execute(Time())
            calls = [door.execute(one(f"j{n}")) for n in range(20)]
            calls += [door.execute(Time()) for _ in range(20)]
            tasks = [asyncio.ensure_future(call) for call in calls]
            await asyncio.sleep(0)
            with within(LIMIT):
                await door.close()
                ends = await asyncio.gather(*tasks, return_exceptions=True)
            for end in ends:
                good = not isinstance(end, BaseException)
                assert good or isinstance(end, BackendUnavailable | EnqueueUncertain), end
            # The server may see the end of a connection after it has heard this question.
            eventually("no connection is left", lambda: not connections(server))
            assert await door.execute(Time()) > 0  # it opens again
            await door.close()

        asyncio.run(main())


def ready(door):
    """A claim that finds nothing, of a worker who is known."""
    return door.execute(Claim("w1", None, 1, 30_000, join=True))


IDLE = Claim("w1", None, 1, 30_000)


def test_a_server_silent_under_a_claim_that_waits(opened, server):
    """Its late answers are nobody's: the next claim has a connection of its own."""

    async def main():
        door = opened(server.url()).asynchronous()
        try:
            await ready(door)
            assert await door.claim_when_told(IDLE, 0.1) is None
            server.pause()
            try:
                with pytest.raises(BackendUnavailable, match="no reply in time"):
                    await door.claim_when_told(IDLE, 0.1)
            finally:
                server.resume()
            assert await door.claim_when_told(IDLE, 0.1) is None
            await door.execute(Enqueue((new("a"),)))
            claimed = await door.claim_when_told(IDLE, 2.0)
            assert [one.id for one in claimed.jobs] == [ident("a")]
        finally:
            await door.close()

    asyncio.run(main())


def test_a_process_that_stood_still_under_a_claim_that_waits(opened, server):
    """As by SIGSTOP: when it goes on, the answers are there and it is too late for them."""

    async def main():
        door = opened(server.url()).asynchronous()
        try:
            await ready(door)
            for number in range(6):
                asyncio.get_running_loop().call_later(0.05, time.sleep, 0.5 + number / 10)
                with contextlib.suppress(BackendUnavailable):
                    assert await door.claim_when_told(IDLE, 0.1) is None
            await door.execute(Enqueue((new("a"),)))
            claimed = await door.claim_when_told(IDLE, 2.0)
            assert [one.id for one in claimed.jobs] == [ident("a")]
        finally:
            await door.close()

    asyncio.run(main())


def test_a_server_silent_under_one_who_listens_for_work(opened, server):
    async def main():
        door = opened(server.url(), partitions=2).asynchronous()
        try:
            listener = await door.listen(Interest(Topic.WORK))
            assert await listener.wait(0.1) is False
            server.pause()
            try:
                with pytest.raises(BackendUnavailable):
                    await listener.wait(0.1)
            finally:
                server.resume()
            await listener.close()
        finally:
            await door.close()

    asyncio.run(main())
