"""What each error of a server means: the texts are its own, read as the driver reads them."""

from __future__ import annotations

import pytest
from redis._parsers.base import BaseParser

from boundary.jobs.errors import BackendError, StoreFormatError, StoreFull, StoreRefused
from boundary.jobs.shell.adapters.redis import faults
from boundary.jobs.shell.adapters.redis.address import Node

AGAIN = [
    "LOADING Redis is loading the dataset in memory",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "NOREPLICAS Not enough good replicas to write.",
]
AWAY = [
    "READONLY You can't write against a read only replica.",
    "READONLY You can't write against a read only replica. script: 0a, on @user_script:1.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "CLUSTERDOWN The cluster is down",
    "CLUSTERDOWN Hash slot not served",
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "ERR max number of clients reached",
]
RAISED = [
    ("NOAUTH Authentication required.", StoreRefused, "the user and the password"),
    ("WRONGPASS invalid username-password pair or user is disabled.", StoreRefused, "password"),
    ("ERR invalid password", StoreRefused, "password"),
    ("NOPERM User poor has no permissions to run the 'evalsha' command", StoreRefused, "rights"),
    (
        "ERR The user executing the script can't run this command or subcommand script: 0a",
        StoreRefused,
        "rights",
    ),
    ("DENIED Redis is running in protected mode", StoreRefused, "user"),
    ("OOM command not allowed when used memory > 'maxmemory'.", StoreFull, "Raise maxmemory"),
    ("MISCONF Errors writing to the AOF file: No space left on device", StoreFull, "its disk"),
    (
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        StoreFormatError,
        "another program",
    ),
    (
        "ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'",
        StoreFormatError,
        "Redis 7.0",
    ),
    (
        "ERR value is not an integer or out of range script: 0a, on @user_script:117.",
        StoreFormatError,
        "another program",
    ),
    (
        "ERR user_script:25: bad argument #2 to 'unpacked' script: 0a, on @user_script:25.",
        StoreFormatError,
        "docs/redis.md",
    ),
    ("CROSSSLOT Keys in request don't hash to the same slot", BackendError, "same slot"),
    ("ERR DB index is out of range", BackendError, "out of range"),
    ("ERR unknown command 'EVALSHA', with args beginning with: ", BackendError, "EVALSHA"),
]


def judged(text):
    return faults.judge(BaseParser.parse_error(text), "h:6379")


@pytest.mark.parametrize("text", [*AGAIN, *AWAY])
def test_what_passes_is_tried_again(text):
    fault = judged(text)
    assert (fault.next, fault.error) == ("again", None)


@pytest.mark.parametrize("text", AWAY)
def test_what_another_server_may_know_better_is_asked_there(text):
    assert judged(text).away


@pytest.mark.parametrize(("text", "kind", "words"), RAISED)
def test_what_does_not_pass_is_an_error_of_ours(text, kind, words):
    fault = judged(text)
    assert fault.next == "raise"
    assert type(fault.error) is kind
    assert words in str(fault.error)
    assert "h:6379" in str(fault.error)


def test_who_is_sent_elsewhere_goes_there():
    assert judged("MOVED 3999 10.0.0.1:6381") == faults.Fault("moved", node=Node("10.0.0.1", 6381))
    assert judged("ASK 3999 10.0.0.1:6381") == faults.Fault("ask", node=Node("10.0.0.1", 6381))
    assert judged("NOSCRIPT No matching script. Please use EVAL.") == faults.Fault("load")
