"""Standard output of a process, and what others do to its number."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BEGIN = """
import os, sys
from boundary.jobs.shell.streams import Streams
streams = Streams()
print("before")
"""


BUFFERING = {**os.environ, "PYTHONUNBUFFERED": ""}


def outcome(
    does: str, *, stdout: int = subprocess.PIPE, closed: bool = False
) -> tuple[bytes, bytes]:
    """What a process has on its standard output and error after that."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + does],
        check=True,
        timeout=60,
        env=BUFFERING,
        stdout=stdout,
        stderr=subprocess.PIPE,
        preexec_fn=(lambda: os.close(1)) if closed else None,
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("taken", ["", "os.open(os.devnull, os.O_RDONLY);"])
def test_a_closed_number_leads_where_it_led(taken: str) -> None:
    """SQLite may have taken the number, and left it to be read."""
    said, told = outcome(f"os.close(1); {taken} streams.keep_open(); os.write(1, b'after\\n')")
    assert said == b"after\nbefore\n"
    assert told == b"a handler closed standard output; it leads where it led again\n"


def test_a_closed_stream_of_python_is_open_again() -> None:
    said, told = outcome("sys.stdout.close(); streams.keep_open(); print('after')")
    assert said == b"before\nafter\n"
    assert b"sys.stdout" in told


def test_each_is_told_once() -> None:
    does = "os.close(1); streams.keep_open(); streams.keep_open()"
    _, told = outcome(does)
    assert told.count(b"\n") == 1


TAKES = """
os.close(1)
taken = os.open({path!r}, os.O_WRONLY | os.O_CREAT)
assert taken == 1
streams.keep_open()
print("after", flush=True)
os.write(taken, b"theirs")
streams.keep_open()
"""


def test_a_file_with_its_number_stays_as_its_owner_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    said, told = outcome(TAKES.format(path=str(path)))
    assert said == b"before\nafter\n"
    assert path.read_bytes() == b"theirs"
    assert told.count(b"\n") == 1
    assert str(path).encode() in told


def test_a_number_that_its_owner_closes_leads_where_it_led(tmp_path: Path) -> None:
    does = TAKES + "os.close(taken); streams.keep_open(); os.write(1, b'at last')"
    said, told = outcome(does.format(path=str(tmp_path / "theirs")))
    assert said == b"before\nafter\nat last"
    assert told.count(b"\n") == 2


def test_a_stream_that_was_led_elsewhere_on_purpose_is_left_there(tmp_path: Path) -> None:
    """As programs do that catch what C code prints; it is told once for all such places."""
    does = """
for path in sys.argv[1:]:
    file = open(path, "w")
    os.dup2(file.fileno(), 1)
    streams.keep_open()
    print("caught", flush=True)
"""
    paths = [tmp_path / "one", tmp_path / "other"]
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + does, *paths],
        check=True,
        timeout=60,
        env=BUFFERING,
        capture_output=True,
    )
    assert [path.read_text() for path in paths] == ["before\ncaught\n", "caught\n"]
    assert done.stderr.count(b"\n") == 1
    assert str(paths[0]).encode() in done.stderr


def test_a_stream_that_led_nowhere_leads_there_again(tmp_path: Path) -> None:
    path = tmp_path / "checked"
    does = f"""
os.close(1)
streams.keep_open()
assert os.fstat(1).st_rdev == os.stat(os.devnull).st_rdev
os.write(1, b"nowhere")
streams.keep_open()
open({str(path)!r}, "w").write("checked")
"""
    _, told = outcome(does, stdout=subprocess.DEVNULL)
    assert told == b"a handler closed standard output; it leads nowhere again\n"
    assert path.read_text() == "checked"


def test_a_stream_that_was_closed_from_the_beginning_leads_nowhere() -> None:
    _, told = outcome(
        "streams.keep_open(); os.write(1, b'nowhere')",
        closed=True,
    )
    assert told == b""


def test_nothing_is_done_once_it_is_closed() -> None:
    """Copies may have other owners by then."""
    _, told = outcome("streams.close(); os.close(1); streams.keep_open(); os.open('/dev/null', 2)")
    assert told == b""
