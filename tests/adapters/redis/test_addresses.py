"""What a URL comes to: where the server is, or what is wrong with the URL."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest

from boundary.jobs import Jobs
from boundary.jobs.errors import UsageError
from boundary.jobs.shell import connect
from boundary.jobs.shell.adapters.redis.address import Node, Nodes, parse
from boundary.jobs.shell.adapters.redis.conversation import Acquaintance, Discover, Sleep, locate
from boundary.jobs.shell.adapters.redis.store import RedisStore
from boundary.jobs.shell.adapters.redis.terms import Terms
from boundary.jobs.shell.settings import RedisSettings
from devservers.single import Server


@pytest.mark.parametrize(
    ("url", "nodes", "shown"),
    [
        ("redis://", [("localhost", 6379)], "redis://localhost:6379/0"),
        ("redis://h", [("h", 6379)], "redis://h:6379/0"),
        ("redis://h:", [("h", 6379)], "redis://h:6379/0"),
        ("redis://:7000/3", [("localhost", 7000)], "redis://localhost:7000/3"),
        ("redis://h?db=4", [("h", 6379)], "redis://h:6379/4"),
        ("redis://[::1]", [("::1", 6379)], "redis://[::1]:6379/0"),
        ("rediss://u:p@[fe80::1]:7000/1", [("fe80::1", 7000)], "rediss://[fe80::1]:7000/1"),
        ("unix:///run/r%20s.sock?db=2", [("/run/r s.sock", 0)], "unix:///run/r s.sock"),
        (
            "redis+sentinel://[::1],b:7/name",
            [("::1", 26379), ("b", 7)],
            "redis+sentinel://[::1]:26379,b:7/name/0",
        ),
        (
            "redis+cluster://a,[::2]:7001",
            [("a", 6379), ("::2", 7001)],
            "redis+cluster://a:6379,[::2]:7001",
        ),
    ],
)
def test_where_it_is(url, nodes, shown):
    address = parse(url)
    assert list(address.nodes) == [Node(*node) for node in nodes]
    assert address.shown().startswith(shown)


@pytest.mark.parametrize(
    ("written", "username", "password"),
    [
        ("", None, None),
        (":secret@", None, "secret"),
        ("user@", "user", None),
        ("u:a:b:c@", "u", "a:b:c"),
        ("u:%40%3A%2F%3F%23%25+%5B@", "u", "@:/?#%+["),
        ("%C3%BC:%E2%82%AC@", "ü", "€"),
        ("u:a@b@", "u", "a@b"),
    ],
)
def test_who_we_are(written, username, password):
    address = parse(f"redis://{written}host/0")
    assert (address.username, address.password) == (username, password)
    assert address.nodes == (Node("host", 6379),)
    assert password is None or password not in f"{address!r} {address.shown()}"


BAD = [
    ("redis://h/0?databse=1", "no option 'databse'; it may have ssl_ca_certs"),
    ("redis://h/0?db=1", "its database once"),
    ("redis://h/0/more", "ends with the database, not with 'more'"),
    ("redis+sentinel://h/name/0/more", "ends with the database, not with 'more'"),
    ("redis://h/one", "a number from 0 on, not 'one'"),
    ("redis://h/-1", "a number from 0 on, not '-1'"),
    ("redis://h:0/0", "port 0"),
    ("redis://h:70000/0", "a port that cannot be read; write redis://"),
    ("redis://h:six/0", "a port that cannot be read; write redis://"),
    ("redis://[::1/0", "a host or a port that cannot be read"),
    ("redis://a,b/0", "several hosts are a cluster or sentinels: write"),
    ("redis+sentinel://h:26379", "names the master"),
    ("redis+cluster://h/1", "only database 0"),
    ("redis://h/0?ssl_ca_certs=/ca.pem", "ssl_ca_certs is for TLS, which begins with rediss://"),
    ("redis+cluster://h?sentinel_password=x", "sentinel_password is for sentinels"),
    ("unix://run/redis.sock", "three slashes and the path of a socket, not 'run'"),
    ("unix://", "three slashes and the path of a socket"),
    ("redis://:pa/ss@h/0", "%2F"),
    ("redis://:pa?ss@h/0", "%3F"),
    ("redis://:pa#ss@h/0", "%23"),
]


@pytest.mark.parametrize(("url", "words"), BAD)
def test_what_is_wrong_with_it(url, words):
    with pytest.raises(UsageError) as caught:
        parse(url)
    assert words in str(caught.value)
    assert "ss@h" not in str(caught.value)


@pytest.mark.parametrize("url", ["reddis://h", "redis+sentinels://h/n", "http://h", "tcp://h:6379"])
def test_a_scheme_that_is_none_of_ours(url):
    with pytest.raises(UsageError) as caught:
        Jobs(url)
    assert url.partition(":")[0] in str(caught.value)
    assert "redis://" in str(caught.value)


LOGINS = [
    ("", "ada", "pw", ("ada", "pw")),
    ("", None, "pw", (None, "pw")),
    ("", "ada", None, ("ada", None)),
    ("eve:own@", "ada", "pw", ("eve", "own")),
    ("eve@", None, "pw", ("eve", "pw")),
    (":own@", "ada", "pw", ("ada", "own")),
]


@pytest.mark.parametrize(("written", "username", "password", "login"), LOGINS)
@pytest.mark.parametrize(
    "url",
    [
        "redis://{}h/0",
        "rediss://{}h/0",
        "redis+sentinel://{}h/name?sentinel_password=theirs",
        "rediss+cluster://{}a,b",
        "unix://{}/run/redis.sock",
    ],
)
def test_the_settings_say_who_we_are_where_the_url_does_not(
    url, written, username, password, login
):
    settings = RedisSettings(username=username, password=password)
    terms = RedisStore.of(url.format(written), settings).terms
    assert (terms.address.username, terms.address.password) == login
    if terms.address.kind == "sentinel":
        assert terms.address.of_sentinels().password == "theirs"


USERS = (
    "requirepass right",
    "user ada on >p@ss/w:rd ~* &* +@all",
    "user open on nopass ~* &* +@all",
)


@pytest.mark.parametrize(
    ("written", "variables"),
    [
        ("", {"BOUNDARY_JOBS_REDIS_PASSWORD": "right"}),
        ("", {"REDIS_PASSWORD": "right", "REDIS_PORT": "tcp://10.0.0.7:6379"}),
        ("", {"BOUNDARY_JOBS_REDIS_USERNAME": "ada", "BOUNDARY_JOBS_REDIS_PASSWORD": "p@ss/w:rd"}),
        ("ada@", {"BOUNDARY_JOBS_REDIS_PASSWORD": "p@ss/w:rd"}),
        ("", {"BOUNDARY_JOBS_REDIS_USERNAME": "open"}),
        (":right@", {"BOUNDARY_JOBS_REDIS_PASSWORD": "wrong"}),
    ],
)
@pytest.mark.parametrize("kind", ["redis", "unix"])
def test_a_server_lets_in_whom_the_settings_name(monkeypatch, tmp_path, written, variables, kind):
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with Server(*USERS) as server:
        place = f"{server.host}:{server.port}" if kind == "redis" else server.socket
        monkeypatch.setenv("BOUNDARY_JOBS_URL", f"{kind}://{written}{place}")
        with Jobs() as jobs:
            assert jobs.enqueue("works", {}).status == "pending"
            assert asyncio.run(looked(jobs)) == ["default"]


async def looked(jobs):
    async with jobs.aio as doors:
        return [row.queue_name for row in await doors.queues()]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("redis://h", "redis://ada:pw@h:6379/0", True),
        ("redis://h?db=1", "redis://h/1", True),
        ("redis://localhost", "redis://127.0.0.1:6379", True),
        ("redis+cluster://a,b", "redis+cluster://b:6379,c", True),
        ("redis+sentinel://a,b/m", "redis+sentinel://b/m/0", True),
        ("redis+sentinel://a/m", "redis+sentinel://a/n", False),
        ("redis://h", "rediss://h", False),
        ("redis://h", "redis://h/1", False),
        ("redis://h", "redis://h:7000", False),
        ("redis://h", "unix:///h", False),
        ("unix:///run/s", "unix:///run/s?db=0", True),
        ("sqlite:///a.db", "sqlite:///./b/../a.db", True),
        ("sqlite:///a.db", "sqlite:///b.db", False),
        ("sqlite:///a.db", "redis://a.db", False),
    ],
)
def test_whether_two_urls_are_one_place(one, other, same):
    assert connect.same_place(one, other) is same


def test_sentinels_are_asked_in_another_order_after_one_was_wrong():
    known = Nodes(parse("redis+sentinel://a,b,c/name"))
    old = Node("old", 6379)
    known.found(old)
    assert known.of(0) == old
    known.failed(old)
    assert known.of(0) is None
    assert [node.host for node in known.sentinels] == ["b", "c", "a"]


def asks_and_fails(known, number):
    """What a call does whose server cannot be reached."""
    if (node := known.of(0)) is None:
        assert known.sentinels, "a server that was named in the URL is known for good"
        known.found(Node("a", 1))
        return
    known.moved(number % 64, Node("a", number % 7))
    known.failed(node)


@pytest.mark.parametrize("scheme", ["redis://a", "redis+cluster://a,b", "redis+sentinel://a/name"])
def test_threads_whose_server_fails_share_what_is_known(scheme):
    """Two that heard of it at once ended with an IndexError, a ValueError or a RuntimeError."""
    known, broken = Nodes(parse(scheme)), []

    def work():
        try:
            for number in range(5_000):
                asks_and_fails(known, number)
        except Exception as error:
            broken.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    finally:
        sys.setswitchinterval(before)
    assert broken == []


def test_a_node_that_another_thread_hears_has_failed_is_looked_for_anew():
    known = Acquaintance(Terms(address=parse("redis+sentinel://a/name")))
    node = Node("master", 6379)

    class Answers(list):
        """While one thread reads these, another loses its connection to that server."""

        def __iter__(self):
            known.nodes.failed(node)
            return super().__iter__()

    def go_on(steps):
        answer, asked = None, 0
        while True:
            step = steps.send(answer)
            if isinstance(step, Discover):
                answer = node
            elif isinstance(step, Sleep):
                answer = None
            else:
                asked += 1
                reply = [[b"", b""]] if asked == 1 else [1]
                answer = Answers([reply]) if asked == 2 else [reply]

    with pytest.raises(StopIteration) as end:
        go_on(locate(0, known))
    assert end.value.value == node
