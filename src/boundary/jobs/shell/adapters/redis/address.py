"""Where the server is, as a URL says it, and how to speak to it.

What belongs here: reading URLs and settings into an `Address`, and which node of it a partition's
keys are on, as far as is known. What does not: a connection.

    redis://[user[:password]@]host[:port][/database]     rediss:// the same over TLS
    unix:///path/to/socket[?db=0]
    redis+sentinel://[user[:password]@]host:port,host:port/name[/database]   rediss+sentinel://
    redis+cluster://[user[:password]@]host:port,host:port                    rediss+cluster://

Over TLS the server's certificate is checked; `?ssl_ca_certs=`, `ssl_certfile=`, `ssl_keyfile=`
name files. Sentinels with a password of their own: `?sentinel_password=` (`sentinel_username=`).
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from boundary.jobs.errors import UsageError

PORT: Final = 6379
SENTINEL_PORT: Final = 26379

SCHEMES: Final = (
    "redis",
    "rediss",
    "unix",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)

_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_OPTIONS: Final = (*_FILES, "db", "sentinel_username", "sentinel_password")


class Node(NamedTuple):
    """One server: host and port, or the path of its socket and 0."""

    host: str
    port: int


class Address(Struct, frozen=True, kw_only=True):
    """How to reach the store.

    Attributes:
        nodes: The server; or the sentinels; or some nodes of the cluster.
        master: What the sentinels call the server.
        tls: Whether to speak TLS, and with which files.
    """

    kind: Literal["single", "unix", "sentinel", "cluster"]
    nodes: tuple[Node, ...]
    master: str = ""
    username: str | None = None
    password: str | None = None
    database: int = 0
    tls: bool = False
    files: dict[str, str] = field(default_factory=dict[str, str])
    sentinel: dict[str, str] = field(default_factory=dict[str, str])

    def logged_in(self, username: str | None, password: str | None) -> Address:
        """The same, with these where the URL names none. Sentinels keep the login of their own."""
        return replace(self, username=self.username or username, password=self.password or password)

    def leads_to(self, other: Address) -> bool:
        """Whether both are ways to one store, whoever we are there; clusters by a node of both."""
        if (self.kind, self.master, self.database, self.tls) != (
            other.kind,
            other.master,
            other.database,
            other.tls,
        ):
            return False
        return not set(map(_known, self.nodes)).isdisjoint(map(_known, other.nodes))

    def options(self) -> dict[str, Any]:
        """What a connection to the store is made with, but for the node."""
        given: dict[str, Any] = {
            "username": self.username,
            "password": self.password,
            "db": self.database,
        }
        return given | self.secure()

    def secure(self) -> dict[str, Any]:
        """What TLS is spoken with; said in full, since the driver's defaults were others once."""
        if not self.tls:
            return {}
        return {"ssl_cert_reqs": "required", "ssl_check_hostname": True, **self.files}

    def of_sentinels(self) -> Address:
        """How to reach the sentinels themselves: they have a login of their own."""
        own: dict[str, Any] = self.sentinel
        return Address(kind="single", nodes=self.nodes, tls=self.tls, files=self.files, **own)

    def __repr__(self) -> str:
        return f"<{self.shown()}>"

    def shown(self) -> str:
        """The address without secrets."""
        scheme = "rediss" if self.tls else "redis"
        if self.kind == "unix":
            return f"unix://{self.nodes[0].host}?db={self.database}"
        hosts = ",".join(shown(node) for node in self.nodes)
        if self.kind == "sentinel":
            return f"{scheme}+sentinel://{hosts}/{self.master}/{self.database}"
        if self.kind == "cluster":
            return f"{scheme}+cluster://{hosts}"
        return f"{scheme}://{hosts}/{self.database}"


def _known(node: Node) -> Node:
    """The node by one name where it is this machine, which has three."""
    return Node("localhost", node.port) if node.host in {"127.0.0.1", "::1"} else node


def shown(node: Node) -> str:
    """The node, for people."""
    if node.port == 0:
        return node.host
    host = f"[{node.host}]" if ":" in node.host else node.host
    return f"{host}:{node.port}"


def parse(url: str) -> Address:
    """The address a URL names.

    Raises:
        UsageError: It is not one of ours; the message shows no secret.
    """
    try:
        parts = urlsplit(url)
        _check_escapes(parts)
        return _address(parts)
    except ValueError:
        # Its text may quote any part of the URL.
        raise UsageError(
            f"a Redis URL has a host or a port that cannot be read; {_FORMS}"
        ) from None


def _check_escapes(parts: SplitResult) -> None:
    """No part of a password was taken for a path or an option, to be shown as such."""
    unknown = set(dict(parse_qsl(parts.query, keep_blank_values=True))) - set(_OPTIONS)
    odd = parts.fragment or "@" in parts.path or (unknown and "@" in parts.query)
    if odd and parts.scheme != "unix":
        raise UsageError(
            "a Redis URL has a '/', '?' or '#' where none belongs; in a password or a user's name "
            "write %2F, %3F, %23 (and %40 for '@', %3A for ':')"
        )


_FORMS = (
    "write redis://host:6379/0, rediss://…, unix:///path/to/socket, "
    "redis+sentinel://host:26379,host:26379/name/0 or redis+cluster://host:6379,host:6379"
)


def _address(parts: SplitResult) -> Address:
    scheme, _, kind = parts.scheme.partition("+")
    given = _options(parts.query, tls=scheme == "rediss", sentinel=kind == "sentinel")
    user, _, hosts = parts.netloc.rpartition("@")
    username, _, password = user.partition(":")
    common: dict[str, Any] = {
        "username": unquote(username) or None,
        "password": unquote(password) or None,
        "tls": scheme == "rediss",
        "files": {name: given[name] for name in _FILES if name in given},
        "sentinel": {
            name.removeprefix("sentinel_"): value
            for name, value in given.items()
            if name.startswith("sentinel_")
        },
    }
    path = [unquote(part) for part in parts.path.split("/") if part]
    if scheme == "unix":
        if hosts or not path:
            raise UsageError(
                f"a unix URL has three slashes and the path of a socket, not {hosts!r}; {_FORMS}"
            )
        node = Node(unquote(parts.path), 0)
        return Address(kind="unix", nodes=(node,), database=_database([], given), **common)
    if kind == "sentinel":
        if not path:
            raise UsageError(f"a sentinel URL names the master: {_FORMS}")
        nodes = _nodes(hosts, SENTINEL_PORT)
        database = _database(path[1:], given)
        return Address(kind="sentinel", nodes=nodes, master=path[0], database=database, **common)
    database = _database(path, given)
    nodes = _nodes(hosts, PORT)
    if kind == "cluster":
        if database:
            raise UsageError("a cluster has only database 0; use namespaces to keep stores apart")
        return Address(kind="cluster", nodes=nodes, **common)
    if len(nodes) > 1:
        raise UsageError(f"several hosts are a cluster or sentinels: {_FORMS}")
    return Address(kind="single", nodes=nodes, database=database, **common)


def _options(query: str, *, tls: bool, sentinel: bool) -> dict[str, str]:
    """No option is passed over: who names a certificate believes that nobody listens."""
    given = dict(parse_qsl(query, keep_blank_values=True))
    for name in given:
        if name not in _OPTIONS:
            raise UsageError(
                f"a Redis URL has no option {name!r}; it may have {', '.join(_OPTIONS)}"
            )
        if name in _FILES and not tls:
            raise UsageError(f"{name} is for TLS, which begins with rediss://; {_FORMS}")
        if name.startswith("sentinel_") and not sentinel:
            raise UsageError(f"{name} is for sentinels; {_FORMS}")
    return given


def _nodes(hosts: str, port: int) -> tuple[Node, ...]:
    return tuple(
        [_node(host, port) for host in hosts.split(",") if host] or [Node("localhost", port)]
    )


def _node(text: str, port: int) -> Node:
    parts = urlsplit(f"//{text}")
    if parts.port == 0:
        raise UsageError(f"no server listens on port 0; {_FORMS}")
    return Node(unquote(parts.hostname or "localhost"), parts.port or port)


def _database(path: list[str], given: dict[str, str]) -> int:
    """What ends the URL; it is named once."""
    if len(path) > 1:
        raise UsageError(f"a Redis URL ends with the database, not with {path[-1]!r:.40}; {_FORMS}")
    if path and "db" in given:
        raise UsageError(f"a Redis URL names its database once, by /0 or by ?db=0; {_FORMS}")
    text = path[0] if path else given.get("db", "0")
    if text.isascii() and text.isdigit():
        return int(text)
    raise UsageError(f"a database is a number from 0 on, not {text!r:.40}")


class Nodes:
    """Which node a partition's keys are on, as far as is known.

    A cluster says of itself which node it is: whoever is asked for keys of another answers with
    that one. A master behind sentinels must be asked for (`None`).

    Threads share it without a lock: what it knows is never changed in place but replaced, and read
    once, so that nobody sees half of a change.
    """

    def __init__(self, address: Address) -> None:
        self.sentinels: deque[Node] = deque(address.nodes if address.kind == "sentinel" else ())
        self._known: tuple[Node, ...] = () if self.sentinels else address.nodes
        self._of: dict[int, Node] = {}

    def of(self, partition: int) -> Node | None:
        """The node to try; None: ask the sentinels."""
        known = self._known
        return self._of.get(partition) or (known[0] if known else None)

    def found(self, node: Node) -> None:
        """The sentinels name this one as master."""
        self._known = (node,)

    def moved(self, partition: int, node: Node) -> None:
        """The partition's keys are there."""
        known = self._known
        if node not in known:
            self._known = (*known, node)
        self._of = {**self._of, partition: node}

    def failed(self, node: Node) -> None:
        """It cannot be reached, or is not the master any more: another is to be tried."""
        known = self._known
        self._of = {number: one for number, one in self._of.items() if one != node}
        if self.sentinels:
            self._known = ()
            self.sentinels.rotate(-1)  # the one that named it may not know what the others do
        elif node in known:
            self._known = (*(one for one in known if one != node), node)
