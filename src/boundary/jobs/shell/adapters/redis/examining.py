"""What an operator should know of a server: how it keeps what it has, and what it lets us do.

What belongs here: asking a server about itself, and judging what it says. What does not: looking at
jobs, changing anything.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from boundary.jobs.errors import BackendError
from boundary.jobs.ports import Finding
from boundary.jobs.shell.adapters.redis.address import Address, Node, shown
from boundary.jobs.shell.adapters.redis.blocking import Driver
from boundary.jobs.shell.adapters.redis.conversation import (
    Acquaintance,
    Conversation,
    Discover,
    Lost,
    Send,
    locate,
)
from boundary.jobs.shell.adapters.redis.plans.calls import Call
from boundary.jobs.shell.adapters.redis.scripts import script
from boundary.jobs.shell.adapters.redis.terms import Command, Terms

RIGHTS: Final = (
    "EVALSHA x 0",
    "SCRIPT LOAD x",
    "TIME",
    "TYPE K",
    "EXISTS K",
    "DEL K",
    "EXPIRE K 1",
    "GET K",
    "GETRANGE K 0 1",
    "SET K 1",
    "SETRANGE K 0 x",
    "INCR K",
    "INCRBY K 1",
    "HGET K x",
    "HMGET K x",
    "HGETALL K",
    "HEXISTS K x",
    "HSCAN K 0",
    "HSET K x 1",
    "HINCRBY K x 1",
    "HDEL K x",
    "SADD K x",
    "SREM K x",
    "SISMEMBER K x",
    "SMEMBERS K",
    "SRANDMEMBER K 1",
    "ZADD K 1 x",
    "ZREM K x",
    "ZSCORE K x",
    "ZCOUNT K 0 1",
    "ZCARD K",
    "ZRANGE K 0 1",
    "BZPOPMIN K 1",
    "LPUSH K x",
    "RPUSH K x",
    "RPOP K",
    "LLEN K",
    "LINDEX K 0",
    "LRANGE K 0 1",
    "LPOS K x",
    "LREM K 1 x",
    "LTRIM K 0 1",
    "PUBLISH C x",
    "SUBSCRIBE C",
    "UNSUBSCRIBE C",
)
"""Each command we send or a script calls, with K for a key of ours and C for a channel."""

REPLICATED: Final = "WAIT 1 1"
"""What `durability = "replicated"` needs beside."""

NEARLY_FULL = 0.9
"""The part of maxmemory above which one should know of it."""

NAMED = 8
"""Missing rights that are named."""

ASKED: Final[tuple[Command, ...]] = (
    ("INFO",),
    ("CONFIG", "GET", "appendfsync"),
    ("CONFIG", "GET", "save"),
)


def examine(terms: Terms) -> list[Finding]:
    """As `ports.Store.examine`."""
    driver = Driver(terms)
    try:
        return driver.drive(_examination(driver.known))
    finally:
        driver.close()


def _examination(known: Acquaintance) -> Conversation[list[Finding]]:
    terms = known.terms
    nodes = yield from _nodes(known)
    findings: list[Finding] = []
    for node, partition in nodes.items():
        (answer,) = yield (Send(node, _questions(terms, partition), terms.timeout),)
        if isinstance(answer, Lost):
            continue
        about = About(node, terms)
        mine = list(about.findings(answer))
        if len(nodes) > 1:
            mine = [one._replace(text=f"{shown(node)}: {one.text}") for one in mine]
        findings += mine
    if findings:
        findings += _way(terms.address, list(nodes))
    return findings


def _nodes(known: Acquaintance) -> Conversation[dict[Node, int]]:
    """The nodes our partitions are on, as far as they can be found, each with one of them."""
    address = known.terms.address
    if address.kind in {"single", "unix"}:
        return {address.nodes[0]: 0}
    if address.kind == "sentinel":
        found: Node | Lost = yield Discover(address.nodes, known.terms.timeout)
        return {} if isinstance(found, Lost) else {found: 0}
    nodes: dict[Node, int] = {}
    for partition in range(known.terms.partitions):
        try:
            node = yield from locate(partition, known)
        except BackendError:
            continue
        nodes.setdefault(node, partition)
    return nodes


def _questions(terms: Terms, partition: int) -> tuple[Command, ...]:
    needed = (*RIGHTS, REPLICATED) if terms.replicas else RIGHTS
    rights = script("doctor/rights")
    args = (terms.key(partition, "result"), *needed)
    asked = terms.command(Call(rights.name, args, partition))
    return (*ASKED, ("SCRIPT", "LOAD", rights.text), asked)


class _Said(NamedTuple):
    """What a server answered; an error is an answer."""

    info: Any
    appendfsync: Any
    save: Any
    loaded: Any
    refused: Any


class About:
    """What follows from the answers of one server."""

    def __init__(self, node: Node, terms: Terms) -> None:
        self._node = node
        self._terms = terms

    def findings(self, replies: list[Any]) -> Iterator[Finding]:
        """All there is to say."""
        said = _Said(*replies)
        if isinstance(said.info, Exception):
            yield from self._rights(said)
            yield Finding(
                "server",
                "note",
                f"it may not be asked about itself ({said.info}); add +info to "
                "the rights of our user to have it examined",
            )
            return
        info = _fields(said.info)
        yield (server := self._server(info))
        if server.state == "ok":
            yield from self._rights(said)
        yield self._role(info)
        yield _policy(info)
        yield from _memory(info)
        yield from _persistence(info, said)

    def _server(self, info: Mapping[str, str]) -> Finding:
        if "valkey_version" in info:
            kind = f"Valkey {info['valkey_version']}"
        else:
            kind = f"Redis {info.get('redis_version', '?')}"
        mode = info.get("redis_mode") or info.get("server_mode") or "standalone"
        # A Valkey says that it is a Redis 7.2 as well.
        if int(info.get("redis_version", "0").split(".")[0] or 0) < OLDEST:
            return Finding(
                "server",
                "problem",
                f"{kind} at {shown(self._node)} is too old; install Redis 7.0 or newer, or Valkey",
            )
        return Finding("server", "ok", f"{kind} at {shown(self._node)}, {mode}")

    def _role(self, info: Mapping[str, str]) -> Finding:
        if info.get("role") != "master":
            at = f"{info.get('master_host', '?')}:{info.get('master_port', '?')}"
            return Finding(
                "role",
                "problem",
                f"a replica of {at}, which takes no jobs; give the master's URL, or one of "
                "sentinels (redis+sentinel://…) that know who is master",
            )
        replicas = int(info.get("connected_slaves", "0"))
        if replicas < self._terms.replicas:
            return Finding(
                "role",
                "problem",
                f"master with {replicas} replicas, but redis.replicas asks for "
                f"{self._terms.replicas}: every enqueue will raise EnqueueUncertain. Attach "
                "replicas, or set redis.durability to stored",
            )
        if 0 < self._terms.replicas < replicas:
            return Finding(
                "role",
                "note",
                f"master with {replicas} replicas, of which an enqueue waits for "
                f"{self._terms.replicas}: a failover may promote one that has not got it yet. "
                f"Set redis.replicas to {replicas} to lose nothing that was acknowledged",
            )
        return Finding("role", "ok", f"master with {replicas} replicas")

    def _rights(self, said: _Said) -> Iterator[Finding]:
        error = next(
            (one for one in (said.loaded, said.refused) if isinstance(one, Exception)), None
        )
        if error is not None:
            yield Finding("rights", "problem", f"scripts cannot run: {error}; {_REMEDY}")
            return
        refused = [one.decode().split(" ")[0].lower() for one in said.refused]
        if refused:
            what = ", ".join(refused[:NAMED])
            more = f" and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
            yield Finding("rights", "problem", f"our user may not use {what}{more}; {_REMEDY}")
        else:
            yield Finding("rights", "ok", "our user may do all we need")


OLDEST = 7
"""The first Redis whose scripts say what they do (flags), and may run when memory is full."""

_REMEDY = "docs/redis.md has the rights a user needs"


def _fields(info: bytes) -> dict[str, str]:
    lines = info.decode(errors="replace").splitlines()
    return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}


def _policy(info: Mapping[str, str]) -> Finding:
    policy = info.get("maxmemory_policy", "?")
    if policy == "noeviction":
        return Finding(
            "maxmemory-policy", "ok", "noeviction: a full server refuses jobs, loses none"
        )
    return Finding(
        "maxmemory-policy",
        "problem",
        f"{policy}: a full server throws keys away, and jobs with them; "
        "CONFIG SET maxmemory-policy noeviction, and the same in its configuration file",
    )


def _memory(info: Mapping[str, str]) -> Iterator[Finding]:
    used, most = int(info.get("used_memory", "0")), int(info.get("maxmemory", "0"))
    if most == 0:
        yield Finding("memory", "ok", f"{used / 1e6:,.1f} MB used, no maxmemory")
    elif used < most * NEARLY_FULL:
        yield Finding("memory", "ok", f"{used / 1e6:,.1f} of {most / 1e6:,.1f} MB used")
    else:
        yield Finding(
            "memory",
            "problem",
            f"{used / 1e6:,.1f} of {most / 1e6:,.1f} MB used; at the limit enqueuing fails with "
            "StoreFull. Raise maxmemory, start more workers or shorten retention.finished",
        )


_FSYNC: Final[dict[str, tuple[Literal["ok", "note"], str]]] = {
    "always": ("ok", "appendonly, flushed before each answer: a power cut loses nothing"),
    "everysec": (
        "ok",
        "appendonly, flushed every second: a kill loses nothing, a power cut the last second or two",
    ),
    "no": (
        "note",
        "appendonly, flushed as the system likes: a power cut loses some 30 s; appendfsync everysec",
    ),
    "": ("note", "appendonly; how often it is flushed the server does not tell our user"),
}


def _persistence(info: Mapping[str, str], said: _Said) -> Iterator[Finding]:
    if info.get("aof_enabled") == "1":
        yield Finding("persistence", *_FSYNC[_value(said.appendfsync)])
        if info.get("aof_last_write_status", "ok") != "ok":
            yield Finding(
                "disk", "problem", "the append-only file could not be written; is its disk full?"
            )
        return
    if isinstance(said.save, Exception):
        lost = "all since the last snapshot, if it makes any"
    elif _value(said.save):
        lost = f"all since the last snapshot (save {_value(said.save)})"
    else:
        lost = "every job"
    yield Finding(
        "persistence",
        "note",
        f"appendonly is off: a restart or a crash of the server loses {lost}. "
        "CONFIG SET appendonly yes, and the same in its configuration file",
    )
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        yield Finding("disk", "problem", "the last snapshot failed; is its disk full?")


def _value(reply: Any) -> str:
    """What CONFIG GET told of one setting; empty if it may not."""
    return "" if isinstance(reply, Exception) or len(reply) < 2 else reply[1].decode()  # noqa: PLR2004


def _way(address: Address, nodes: list[Node]) -> Iterator[Finding]:
    """Who may listen on the way."""
    far = [node for node in nodes if not is_local(node)]
    if address.tls:
        yield Finding("connection", "ok", "TLS, the certificate is checked")
    elif far:
        yield Finding(
            "connection",
            "note",
            f"to {shown(far[0])} without TLS: passwords and arguments can be read on the way; "
            "use rediss:// unless that network is yours alone",
        )
    else:
        yield Finding("connection", "ok", "within this machine")


def is_local(node: Node) -> bool:
    """Whether nobody else can listen on the way to it."""
    if node.port == 0 or node.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(node.host).is_loopback
    except ValueError:
        return False
