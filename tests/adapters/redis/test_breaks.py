"""What breaks while a store is in use: under a call, in a fork, by Ctrl-C, behind another's call."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress

import pytest

from boundary.jobs.core.operations import Claim, Enqueue, Find, Interest, Time, Topic
from boundary.jobs.errors import BackendUnavailable, EnqueueUncertain, StoreRefused
from boundary.jobs.shell.adapters.redis.blocking import Pool
from boundary.jobs.shell.adapters.redis.hearing import channels
from boundary.jobs.testing.contract.words import ident, new
from devservers.proxy import Proxy
from devservers.sentinel import Sentinels
from devservers.tls import TlsServer
from devservers.waiting import until
from tests.waiting import PATIENCE, Stopwatch


def one(name):
    return Enqueue((new(name),))


CALLS = [Time(), one("a"), Claim("w1", None, 1, 30_000, join=True), Find((ident("a"),))]
UNAVAILABLE = (BackendUnavailable, EnqueueUncertain)


# Under a call

HARMS = {
    "nothing comes back": lambda proxy, _: proxy.blackhole("down"),
    "nothing arrives": lambda proxy, _: proxy.blackhole("up"),
    "half open": lambda proxy, _: proxy.blackhole(),
    "slow": lambda proxy, _: proxy.latency(3.0),
    "gone": lambda proxy, _: (proxy.refuse(), proxy.cut()),
    "stands still": lambda _, server: server.pause(),
    "killed under the call": lambda _, server: (
        server.pause(),
        threading.Timer(0.2, server.kill).start(),
    ),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_call_ends_in_time(opened, within, server, harm):
    with (
        Proxy(server.port) as proxy,
        closing(opened(f"redis://127.0.0.1:{proxy.port}").blocking()) as door,
    ):
        door.execute(Time())
        HARMS[harm](proxy, server)
        for call in CALLS:
            with within(0.9), pytest.raises(UNAVAILABLE, match=r"within 0\.5 s"):
                door.execute(call)


@pytest.mark.parametrize("harm", HARMS)
def test_a_call_on_a_loop_ends_in_time(opened, within, server, harm):
    async def main(proxy):
        door = opened(f"redis://127.0.0.1:{proxy.port}").asynchronous()
        try:
            await door.execute(Time())
            HARMS[harm](proxy, server)
            for call in CALLS:
                with within(0.9), pytest.raises(UNAVAILABLE, match=r"within 0\.5 s"):
                    await door.execute(call)
        finally:
            await door.close()

    with Proxy(server.port) as proxy:
        asyncio.run(main(proxy))


# Sentinels


def url_of(made, *first):
    hosts = ",".join(f"{host}:{port}" for host, port in (*first, *made.sentinels))
    return f"redis+sentinel://{hosts}/{made.master_name}/0"


@contextmanager
def sentinel_that_names(port) -> Iterator[tuple[str, int]]:
    """One that was cut off from the others, and has not heard of the failover."""
    name = f"*2\r\n$9\r\n127.0.0.1\r\n${len(str(port))}\r\n{port}\r\n".encode()

    def serve(client):
        with client, suppress(OSError):
            while asked := client.recv(10_000):
                said = name if b"SENTINEL" in asked else b""
                client.sendall(b"+OK\r\n" * asked.count(b"SETINFO") + said)

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(8) as pool:

        def accept():
            with suppress(OSError):
                while True:
                    pool.submit(serve, listening.accept()[0])

        pool.submit(accept)
        yield listening.getsockname()[:2]
        listening.shutdown(socket.SHUT_RDWR)


def test_a_sentinel_that_names_an_old_master_does_not_keep_us_from_the_new_one(opened, within):
    with Sentinels() as made:
        (replica, dead) = made.replicas
        dead.kill()
        for old in (replica, dead):
            with (
                sentinel_that_names(old.port) as stale,
                closing(opened(url_of(made, stale), timeout=1_500).blocking()) as door,
            ):
                with within(1.5):
                    assert len(door.execute(one(f"j{old.port}")).fresh) == 1

                async def on_a_loop(url):
                    door = opened(url, timeout=1_500).asynchronous()
                    try:
                        assert len((await door.execute(one("a"))).fresh) == 1
                    finally:
                        await door.close()

                asyncio.run(on_a_loop(url_of(made, stale)))


def test_all_sentinels_away(opened, within):
    with Sentinels() as made, closing(opened(url_of(made)).blocking()) as door:
        door.execute(Time())
        for sentinel in made.watchers:
            sentinel.kill()
        assert door.execute(Time()) > 0  # the master that is known still is one
        made.servers[0].kill()
        with within(1.0), pytest.raises(BackendUnavailable, match="no sentinel names") as caught:
            door.execute(Time())
        assert all(str(port) in str(caught.value) for _, port in made.sentinels)


# TLS


def test_a_certificate_we_do_not_trust_is_refused_at_once(opened, within):
    with TlsServer() as server:
        for files in ("", f"?ssl_ca_certs={server.authority.wrong_ca}"):
            store = opened(f"rediss://localhost:{server.port}{files}", timeout=60_000)
            with (
                closing(store.blocking()) as door,
                within(2.0),
                pytest.raises(StoreRefused, match=r"we do not trust.*ssl_ca_certs"),
            ):
                door.execute(Time())

            async def on_a_loop(store):
                door = store.asynchronous()
                try:
                    with within(2.0), pytest.raises(StoreRefused, match=r"ssl_ca_certs"):
                        await door.execute(Time())
                finally:
                    await door.close()

            asyncio.run(on_a_loop(store))


def test_a_server_that_asks_for_our_certificate_names_the_remedy(opened, within):
    with TlsServer(clients="yes") as server:
        ours = f"rediss://localhost:{server.port}?ssl_ca_certs={server.authority.ca}"
        with (
            closing(opened(ours).blocking()) as door,
            within(1.5),
            pytest.raises((StoreRefused, BackendUnavailable), match="ssl_certfile"),
        ):
            door.execute(Time())


# Few connections


def test_a_pool_that_is_exhausted_says_so_and_what_helps(opened, within, server):
    with closing(opened(server.url(), max_total=1).blocking()) as door:
        door.execute(Time())
        node = door.driver.known.nodes.of(0)
        with door.driver.lent(node):
            with within(0.9), pytest.raises(BackendUnavailable) as caught:
                door.execute(Time())
            assert "all 1 connections were in use" in str(caught.value)
            assert "Raise redis.max_total" in str(caught.value)
            assert "Is it running" not in str(caught.value)
        assert door.execute(Time()) > 0


def test_threads_get_connections_in_the_order_they_came(opened, server):
    with closing(opened(server.url(), max_total=1, timeout=20_000).blocking()) as door:
        pool = Pool(door.driver.terms, door.driver.terms.address.nodes[0])
        got: list[int] = []

        def work(n):
            used = pool.take(20)
            got.append(n)
            pool.give(used)

        used = pool.take(1)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(10)]
        for n, thread in enumerate(threads):
            thread.start()
            until(lambda n=n: len(pool._waiters) == n + 1, "it waits", PATIENCE)
        pool.give(used)
        again = pool.take(20)  # who comes last does not come first
        assert got == list(range(10))
        pool.give(again)
        for thread in threads:
            thread.join()
        pool.close()


def test_no_thread_waits_much_longer_than_its_share(opened, redis_server):
    """12 threads on 2 connections, each call 10 ms: a fair turn comes every 60 ms."""
    with Proxy(redis_server.port) as proxy, ThreadPoolExecutor(12) as pool:
        proxy.latency(0.01)
        url = f"redis://127.0.0.1:{proxy.port}"
        with closing(opened(url, timeout=60_000, max_total=2).blocking()) as door:
            door.execute(Time())
            end = time.monotonic() + 1.5

            def work(_):
                waits = []
                while time.monotonic() < end:
                    began = Stopwatch()
                    door.execute(Time())
                    waits.append(began.took())
                return waits

            waits = list(pool.map(work, range(12)))
    calls = sorted(map(len, waits))
    assert calls[0] >= 0.5 * calls[-1], calls
    typical = sorted(wait for each in waits for wait in each)[sum(calls) // 2]
    assert max(map(max, waits)) < max(10 * typical, 1.0)


# Behind another's call


def test_one_that_enqueues_behind_a_failing_one_fails_in_its_own_time(opened, within, server):
    with closing(opened(server.url(), timeout=1_000).blocking()) as door:
        door.execute(Time())
        server.pause()
        try:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(door.execute, one("a"))
                time.sleep(0.1)
                with within(1.4), pytest.raises(UNAVAILABLE):
                    door.execute(one("b"))
        finally:
            server.resume()

    async def main():
        door = opened(server.url(), timeout=1_000).asynchronous()
        await door.execute(Time())
        server.pause()
        try:
            first = asyncio.ensure_future(door.execute(one("a")))
            await asyncio.sleep(0.1)
            with within(1.4), pytest.raises(UNAVAILABLE):
                await door.execute(one("b"))
            await asyncio.gather(first, return_exceptions=True)
        finally:
            server.resume()
            await door.close()

    asyncio.run(main())


# Closed


def test_a_door_that_is_closed_while_it_connects_tells_its_callers(opened, within):
    """They are not cancelled: nobody cancelled them."""

    async def main(port):
        door = opened(f"redis://127.0.0.1:{port}", timeout=60_000).asynchronous()
        calls = [asyncio.ensure_future(door.execute(Time())) for _ in range(3)]
        await asyncio.sleep(0.1)
        with within(1.0):
            await door.close()
            ends = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(end) for end in ends} == {BackendUnavailable}
        assert "this side closed" in str(ends[0])

    with socket.create_server(("127.0.0.1", 0)) as silent:
        asyncio.run(main(silent.getsockname()[1]))


def test_an_ear_that_is_closed_at_once_leaves_no_connection(opened, server):
    def left():
        lines = server.call("CLIENT", "LIST").splitlines()
        return sum(f"laddr=127.0.0.1:{server.port}" in line for line in lines)

    async def main():
        door = opened(server.url()).asynchronous()
        await (await door.listen(Interest(Topic.RESULT))).close()
        await door.close()
        await asyncio.to_thread(until, lambda: left() == 0, "connections are left", 2)

    asyncio.run(main())


def test_an_ear_over_tls_is_closed_with_its_loop(opened):
    """What is left open is found by the collector, whose warnings are errors here."""
    with TlsServer() as server:
        store = opened(f"rediss://localhost:{server.port}?ssl_ca_certs={server.authority.ca}")

        async def main():
            door = store.asynchronous()
            for topic in (Topic.WORK, Topic.RESULT):
                ear = await door.listen(Interest(topic))
                await ear.wait(0.01)
                await ear.close()
            await door.close()

        for _ in range(8):
            asyncio.run(main())
        gc.collect()


# Ctrl-C


def press_ctrl_c() -> None:
    """As a terminal does: a signal, which ends what the main thread waits for."""
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def test_ctrl_c_takes_no_answer_from_the_next_call(opened, server):
    with closing(opened(server.url(), timeout=60_000).blocking()) as door:
        door.execute(Enqueue((new("a"), new("b"))))
        for call in (Find((ident("a"),)), one("c")):
            server.pause()
            interrupt = threading.Timer(0.2, press_ctrl_c)
            interrupt.start()
            try:
                with pytest.raises(KeyboardInterrupt):
                    door.execute(call)
            finally:
                interrupt.join()
                server.resume()
            (found,) = door.execute(Find((ident("b"),)))
            assert found.id == ident("b")


def test_ctrl_c_ends_hearing_for_nobody_else(opened, server):
    with closing(opened(server.url(), timeout=60_000).blocking()) as door:
        door.execute(Time())
        with (
            door.listen(Interest(Topic.RESULT)) as first,
            door.listen(Interest(Topic.RESULT)) as second,
        ):
            interrupt = threading.Timer(0.2, press_ctrl_c)
            interrupt.start()
            with pytest.raises(KeyboardInterrupt):
                first.wait(10)
            interrupt.join()
            second.wait(0)
            with ThreadPoolExecutor(1) as pool:
                heard = pool.submit(second.wait, 5)
                time.sleep(0.3)
                server.call("PUBLISH", *notice(door))
                assert heard.result(PATIENCE)


def notice(door):
    """A word on the channel of results, to everybody."""
    return channels(door.driver.terms)[0], "x"


# Forked


FORK = """
import os, sys, threading, time
from boundary.jobs.core.operations import Enqueue, Find, Interest, Time, Topic
from boundary.jobs.shell.adapters.redis.store import RedisStore
from boundary.jobs.shell.settings import RedisSettings
from boundary.jobs.testing.contract.words import ident, new
from tests.waiting import PATIENCE, Stopwatch

settings = RedisSettings(max_total=2)  # so that there is always one who waits
door = RedisStore.of(sys.argv[1], settings, namespace=sys.argv[2]).blocking()
door.execute(Enqueue((new("p"),)))
ear = door.listen(Interest(Topic.RESULT))
over = threading.Event()

def busy(n):
    k = 0
    while not over.is_set():
        door.execute(Enqueue((new(f"t{n}.{k}"),)) if n % 2 else Find((ident("p"),)))
        k += 1

def child(n):
    assert door.execute(Find((ident("p"),)))[0].id == ident("p")
    assert door.execute(Enqueue((new(f"c{n}"),))).fresh == (True,)
    with door.listen(Interest(Topic.RESULT)) as mine:
        mine.wait(0.01)
    door.close()
    assert door.execute(Time()) > 0

threads = [threading.Thread(target=busy, args=(n,)) for n in range(6)]
for thread in threads:
    thread.start()
failed = 0
for n in range(20):
    pid = os.fork()
    if pid == 0:
        try:
            threading.Timer(5, os._exit, (7,)).start()
            child(n)
        except BaseException as error:
            print(n, repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    failed += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
over.set()
for thread in threads:
    thread.join()
ear.close()
sys.exit(failed)
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
def test_a_fork_in_the_middle_of_other_threads_calls(redis_url, namespace):
    ended = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK, redis_url, namespace],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
