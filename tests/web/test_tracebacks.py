"""Tracebacks fold the frames of libraries and show those of the application."""

from __future__ import annotations

from boundary.jobs.shell.web.pages.tracebacks import parts, place

TRACE = """Traceback (most recent call last):
  File "/srv/shop/tasks.py", line 12, in charge
    bank.post(order)
    ~~~~~~~~~^^^^^^^
  File "/usr/lib/python3.12/site-packages/httpx/_client.py", line 900, in post
    return self.request()
  File "/usr/lib/python3.12/site-packages/httpx/_client.py", line 800, in request
    raise ConnectTimeout
httpx.ConnectTimeout: timed out

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/srv/shop/bank.py", line 3, in refuse
    raise BankRefused
shop.BankRefused: no
  twice"""


def test_runs_of_library_frames_are_folded() -> None:
    found = parts(TRACE)
    assert [part.frames for part in found] == [0, 2, 0]
    assert "\n".join(part.text for part in found) == TRACE
    assert "httpx.ConnectTimeout: timed out" in found[2].text


def test_a_traceback_of_libraries_alone_stays_open() -> None:
    alone = "\n".join(TRACE.splitlines()[:1] + TRACE.splitlines()[4:9])
    assert [part.frames for part in parts(alone)] == [0]


def test_what_is_no_traceback_stays_as_it_is() -> None:
    for text in ("", "nothing to see", "java.lang.Exception\n\tat Main.main(Main.java:3)"):
        assert "".join(part.text for part in parts(text)) == text
        assert place(text) == ""


def test_the_place_is_the_applications() -> None:
    assert place(TRACE) == "refuse, shop/bank.py line 3"
    assert place("\n".join(TRACE.splitlines()[:9])) == "charge, shop/tasks.py line 12"
