"""The Redis adapter keeps the contract: on every server there is, and in every way to reach one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from boundary.jobs.ports import Store
from boundary.jobs.shell.adapters.redis import RedisStore
from boundary.jobs.shell.settings import RedisSettings
from boundary.jobs.testing import AdapterContract, FakeClock
from boundary.jobs.testing.contract.claiming import ClaimCases
from boundary.jobs.testing.contract.doors import Door
from boundary.jobs.testing.contract.enqueuing import EnqueueCases
from boundary.jobs.testing.contract.listening import ListenCases
from devservers import binaries
from devservers.cluster import Cluster
from devservers.sentinel import Sentinels
from devservers.single import Server
from devservers.tls import TlsServer

SETTINGS = RedisSettings(timeout=60_000)
_numbers = count()


def opened(url: str, clock: FakeClock, settings: RedisSettings = SETTINGS) -> Store:
    """A store with nothing in it."""
    return RedisStore.of(url, settings, namespace=f"t{next(_numbers)}", clock=clock)


@pytest.fixture(scope="module")
def places() -> Iterator[ExitStack]:
    """What the servers of this module are started in; all are gone afterwards."""
    with ExitStack() as stack:
        yield stack


class OnOneServer(AdapterContract):
    """A server of one kind."""

    kind: binaries.Kind

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, places: ExitStack) -> str:
        binary = binaries.find(cls.kind)
        if binary is None:
            pytest.skip(f"this machine has no {cls.kind}")
        return places.enter_context(Server(binary=binary)).url()

    @pytest.fixture
    def store(self, url: str, clock: FakeClock) -> Store:
        return opened(url, clock)


class TestRedis(OnOneServer):
    kind = "redis"


@pytest.mark.long
class TestNewestRedis(OnOneServer):
    kind = "redis-newest"


@pytest.mark.long
class TestValkey(OnOneServer):
    """The scripts are the same through either door, and those are what a server may differ in."""

    kind = "valkey"

    @pytest.fixture
    def door(self, store: Store) -> Door:
        return Door("asyncio", store)


@pytest.mark.long
class TestRestrictedUser(OnOneServer):
    """A user with the rights docs/redis.md names, and no other."""

    @pytest.fixture
    def door(self, store: Store) -> Door:
        return Door("blocking", store)

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, places: ExitStack) -> str:
        server = places.enter_context(Server())
        text = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()
        found = re.search(r"^user jobs on >PASSWORD (.*?)^```", text, re.MULTILINE | re.DOTALL)
        assert found is not None
        rights = found[1].replace("\\\n", " ").replace("{jobs:*", "{t*").split()
        server.call("ACL", "SETUSER", "jobs", "on", ">secret", *rights)
        return server.url(username="jobs", password="secret")


class TestSentinels(OnOneServer):
    """A master that sentinels name."""

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, places: ExitStack) -> str:
        made = places.enter_context(Sentinels())
        hosts = ",".join(f"{host}:{port}" for host, port in made.sentinels)
        return f"redis+sentinel://{hosts}/{made.master_name}/0"


class TestCluster(OnOneServer):
    """Three masters; each test's namespace is on one of them."""

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, places: ExitStack) -> str:
        made = places.enter_context(Cluster())
        return "redis+cluster://" + ",".join(f"{host}:{port}" for host, port in made.nodes)


class TestSocket(EnqueueCases, ClaimCases, ListenCases):
    """Through a file."""

    clock = AdapterContract.clock
    door = AdapterContract.door

    @pytest.fixture
    def store(self, places: ExitStack, clock: FakeClock) -> Store:
        server = places.enter_context(Server())
        return opened(f"unix://{server.socket}?db=1", clock)


class TestTls(EnqueueCases, ListenCases):
    """Encrypted, both sides with a certificate."""

    clock = AdapterContract.clock
    door = AdapterContract.door

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, places: ExitStack) -> str:
        server = places.enter_context(TlsServer(clients="yes"))
        mine = server.authority
        files = f"ssl_certfile={mine.client_cert}&ssl_keyfile={mine.client_key}"
        return f"{server.url()}?ssl_ca_certs={mine.ca}&{files}"

    @pytest.fixture
    def store(self, url: str, clock: FakeClock) -> Store:
        return opened(url, clock)
