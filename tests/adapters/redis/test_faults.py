"""What each fault of a server comes to, for the caller."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing, contextmanager, suppress

import pytest

from boundary.jobs.core.operations import (
    Claim,
    DeadLetters,
    Enqueue,
    Find,
    Heartbeat,
    Inherit,
    Outcome,
    Retry,
    Settle,
    Stats,
    Time,
)
from boundary.jobs.errors import (
    BackendUnavailable,
    EnqueueUncertain,
    StoreFormatError,
    StoreFull,
    StoreRefused,
)
from boundary.jobs.testing.contract.words import PAYLOAD, ident, new
from devservers import ports, wire
from devservers.single import Server


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
    import asyncio

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
        thread.join(2)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"", b"$5\r\nab", b"\x15\x03\x03\r\n"],
)
def test_something_that_is_no_redis(opened, within, answer):
    import asyncio

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
    import asyncio

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
                pytest.raises(BackendUnavailable, match=r"(?i)readonly|replica"),
            ):
                door.execute(operation)


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
    import asyncio

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
