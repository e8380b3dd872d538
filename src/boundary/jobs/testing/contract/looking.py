"""What one can look at: `Time`, `Find`, `Peek`, `Search`, `DeadLetters`, `History`.

What belongs here: cases of operations that change nothing. What does not: numbers (`statistics`).
"""

from __future__ import annotations

from typing import Any

import pytest

from boundary.jobs.core import trails
from boundary.jobs.core.operations import (
    Cancel,
    DeadLetters,
    Find,
    History,
    Page,
    Peek,
    Promote,
    Retry,
    Search,
    Settling,
    Time,
)
from boundary.jobs.core.records import JobError
from boundary.jobs.core.wire import Payload, Record, encode_payload
from boundary.jobs.errors import UsageError
from boundary.jobs.testing.clock import FakeClock
from boundary.jobs.testing.contract.doors import Case, on_both_doors
from boundary.jobs.testing.contract.words import (
    HIGH,
    LOW,
    Asking,
    claim,
    claim_one,
    ended,
    enqueue,
    ident,
    idents,
    named,
    run,
    settle,
    the,
)


def walk(**conditions: Any) -> Asking[str]:
    """The names on all pages of a search, in order."""
    found: list[Record] = []
    limit, cursor = conditions.get("limit", 50), None
    for _ in range(100):
        page: Page = yield Search(**conditions, cursor=cursor)
        assert len(page.records) <= limit
        found.extend(page.records)
        cursor = page.cursor
        if cursor is None:
            return named(found)
    pytest.fail("the search never came to its end")


def telling(**args: object) -> bytes:
    """A payload with these arguments."""
    return encode_payload(Payload(1, args, 3))


class LookCases:
    """Nothing here changes anything."""

    @on_both_doors
    def test_the_time_is_the_stores(self, clock: FakeClock) -> Case:
        assert (yield Time()) == clock.now()
        clock.advance(5)
        assert (yield Time()) == clock.now()

    @on_both_doors
    def test_time_never_goes_back(self, clock: FakeClock) -> Case:
        start = yield Time()
        yield from enqueue("a", delay_ms=1_000)
        clock.advance(-3_600)
        assert (yield Time()) == start
        assert (yield from enqueue("b")).now == start
        assert (yield from claim()).now == start
        assert (yield from the("b")).created == start

    @on_both_doors
    def test_find_answers_in_the_order_asked(self, clock: FakeClock) -> Case:
        """S70."""
        yield from enqueue("a b")
        a, b = (yield from the("a")), (yield from the("b"))
        assert (yield Find(idents("b none a b"))) == (b, None, a, b)
        assert (yield Find(())) == ()

    @on_both_doors
    def test_peek_shows_every_priority_and_claims_nothing(self, clock: FakeClock) -> Case:
        """T8."""
        yield from enqueue("low low2", priority=LOW)
        yield from enqueue("later", delay_ms=10)
        yield from enqueue("high", priority=HIGH)
        assert named((yield Peek("default", 10))) == "high low low2"
        assert named((yield Peek("default"))) == "high"
        assert (yield Peek("none", 10)) == ()
        assert (yield Peek("default", 2)) == ((yield from the("high")), (yield from the("low")))
        assert named((yield from claim()).jobs) == "high low low2"

    @on_both_doors
    def test_a_search_without_conditions_is_newest_first(self, clock: FakeClock) -> Case:
        yield from run("done")
        yield from run("retrying", "fail", delay_ms=99)
        yield from enqueue("running")
        yield from claim()
        yield from enqueue("ready")
        yield from enqueue("later", delay_ms=10)
        yield from enqueue("parked", parked=True)
        expected = "parked later ready running retrying done"
        page = yield Search()
        assert (named(page.records), page.cursor) == (expected, None)
        assert page.records[0] == (yield from the("parked"))
        clock.advance(1)
        yield Promote()
        assert (yield from walk()) == expected

    @on_both_doors
    def test_a_search_by_status(self, clock: FakeClock) -> Case:
        yield from run("done")
        yield from run("dead", "exhaust")
        yield from run("retrying", "fail", delay_ms=99)
        yield from run("cancelled", "cancel")
        yield from enqueue("running")
        yield from claim()
        yield from enqueue("a b")
        expected = {
            "pending": "b a",
            "running": "running",
            "completed": "done",
            "failed": "dead",
            "retrying": "retrying",
            "cancelled": "cancelled",
        }
        for status, names in expected.items():
            assert (yield from walk(status=status)) == names
            assert (yield from walk(status=status, queue="default")) == names
            assert (yield from walk(status=status, queue="other")) == ""

    @on_both_doors
    def test_a_search_by_queue_and_type(self, clock: FakeClock) -> Case:
        yield from enqueue("a", queue="mail", job_type="send")
        yield from enqueue("b", queue="mail", job_type="read")
        yield from enqueue("c", job_type="send")
        assert (yield from walk(queue="mail")) == "b a"
        assert (yield from walk(job_type="send")) == "c a"
        assert (yield from walk(job_type="send", queue="mail")) == "a"
        assert (yield from walk(job_type="sen")) == ""

    @on_both_doors
    def test_a_search_by_time_of_creation(self, clock: FakeClock) -> Case:
        instants: list[int] = []
        for name in ("a", "b", "c"):
            instants.append(clock.now())
            yield from enqueue(name, delay_ms=5)
            clock.advance(1)
        assert (yield from walk(since=instants[1])) == "c b"
        assert (yield from walk(until=instants[1])) == "a"
        assert (yield from walk(since=instants[1], until=instants[2])) == "b"
        assert (yield from walk(since=instants[1] + 1, until=instants[2])) == ""

    @on_both_doors
    def test_a_search_by_text(self, clock: FakeClock) -> Case:
        yield from enqueue("args", payload=telling(to="zoë@example.com"))
        yield from enqueue("other", payload=telling(to="ZOË@example.com 100%_\\*"))
        yield from enqueue("result error")
        result, error = (yield from claim()).jobs[2:]
        bang = JobError("it broke at zoë", "ValueError")
        yield from settle(
            ended(result, trail=trails.succeeded(b"", {"to": ["zoë"]})),
            ended(error, "exhaust", trail=trails.failed(b"", 1, 5, bang)),
        )
        assert (yield from walk(text="zoë")) == "error result args"
        assert (yield from walk(text="zoë", status="failed")) == "error"
        assert (yield from walk(text="100%_\\*")) == "other"
        assert (yield from walk(text="%")) == "other"
        assert (yield from walk(text="z*")) == ""
        assert (yield from walk(text="\udcff")) == ""

    @on_both_doors
    def test_a_search_finds_numbers_and_words_of_json_by_value(self, clock: FakeClock) -> Case:
        """However deep they are, and in whatever form they are stored."""
        numbers = (0, 7, -1, 127, 128, -33, 77_777, 2**31, -(2**40), 2**63 - 1, 2**64 - 1)
        others = (0.5, 20.0, -19.9, 1e300, 1e-7)
        for place, value in enumerate((*numbers, *others)):
            yield from enqueue(f"n{place}", payload=telling(order={"parts": [{"value": value}]}))
        yield from enqueue("yes", payload=telling(flags=[[True]]))
        yield from enqueue("no", payload=telling(flags={"deep": {"er": False}}))
        yield from enqueue("none", payload=telling(to=None))
        for place, value in enumerate((*numbers, *others)):
            assert (yield from walk(text=repr(value))) == f"n{place}", value
        found = {"20": "n12", "2e1": "n12", "77777.0": "n6", "-19.90": "n13", "0.0": "n0"}
        for text, name in found.items():
            assert (yield from walk(text=text)) == name, text
        assert (yield from walk(text="true")) == "yes"
        assert (yield from walk(text="false")) == "no"
        assert (yield from walk(text="null")) == "none"
        for text in ("7777", "+7", "07.", "1e999", "9" * 39, "nan", "-", "True"):
            assert (yield from walk(text=text)) == "", text

    @on_both_doors
    def test_a_search_finds_numbers_in_results_metadata_and_errors(self, clock: FakeClock) -> Case:
        payload = encode_payload(Payload(1, {}, 3, metadata={"order": 4_711}))
        yield from enqueue("metadata", payload=payload)
        yield from enqueue("text", payload=telling(to="order 4711, please"))
        yield from enqueue("result error")
        result, error = (yield from claim()).jobs[2:]
        bang = JobError("order 4711 is gone", "KeyError")
        yield from settle(
            ended(result, trail=trails.succeeded(b"", [1, [4_711]])),
            ended(error, "exhaust", trail=trails.failed(b"", 1, 5, bang)),
        )
        assert (yield from walk(text="4711")) == "error result text metadata"
        assert (yield from walk(text="4711", status="completed", limit=1)) == "result"

    @on_both_doors
    def test_a_search_finds_no_more_than_is_shown(self, clock: FakeClock) -> Case:
        """Neither what is hidden as a secret, nor how a record is laid down."""
        hidden = telling(user={"password": "swordfish", "api_key": 4_711, "name": "Ada"})
        yield from enqueue("hidden", payload=hidden)
        (record,) = (yield from claim()).jobs
        bang = JobError("refused: password=swordfish", "ValueError", "secret = 'swordfish'")
        yield from settle(ended(record, "exhaust", trail=trails.failed(b"", 1, 4_711, bang)))
        for text in ("Ada", "password", "refused", "ValueError"):
            assert (yield from walk(text=text)) == "hidden", text
        for text in ("swordfish", "ordfis", "4711", "errors", "runs"):
            assert (yield from walk(text=text)) == "", text

    @on_both_doors
    def test_a_search_by_number_goes_on_past_what_only_looks_like_it(
        self, clock: FakeClock
    ) -> Case:
        """The byte of a small number is in every record."""
        for number in range(130):
            yield from enqueue(f"j{number}", payload=telling(shelf=number % 65, of="a" * 5))
        assert (yield from walk(text="5")) == "j70 j5"
        page = yield Search(text="5", limit=1)
        assert named(page.records) == "j70"
        again = yield Search(text="5", limit=1, cursor=page.cursor)
        assert named(again.records) == "j5"
        for scan in (7, 64):
            assert (yield from walk(text="5", limit=1, scan=scan)) == "j70 j5"

    @on_both_doors
    def test_pages_hold_everything_exactly_once(self, clock: FakeClock) -> Case:
        names = [f"j{number}" for number in range(11)]
        yield from enqueue(" ".join(names))
        newest = " ".join(reversed(names))
        for limit in (1, 2, 3, 10, 11, 12, 200):
            assert (yield from walk(limit=limit)) == newest
            assert (yield from walk(limit=limit, status="pending")) == newest
            assert (yield from walk(limit=limit, queue="default")) == newest
            assert (yield from walk(limit=limit, job_type="send_email")) == newest

    @on_both_doors
    def test_a_full_last_page_has_no_cursor(self, clock: FakeClock) -> Case:
        yield from enqueue("a b")
        page = yield Search(limit=2)
        assert (named(page.records), page.cursor) == ("b a", None)

    @on_both_doors
    def test_a_search_that_looked_enough_goes_on_by_its_cursor(self, clock: FakeClock) -> Case:
        for number in range(9):
            yield from enqueue(f"j{number}", job_type="odd" if number % 4 else "even")
        for scan in (1, 2, 3, 8, 9, 10):
            assert (yield from walk(job_type="even", scan=scan)) == "j8 j4 j0"
            assert (yield from walk(text="user@", scan=scan, limit=2)) == " ".join(
                f"j{number}" for number in reversed(range(9))
            )

    @on_both_doors
    def test_jobs_that_come_in_do_not_disturb_a_walk(self, clock: FakeClock) -> Case:
        yield from enqueue("a b c d")
        page = yield Search(limit=2)
        yield from enqueue("e f")
        yield Cancel(idents("b"), keep_ms=0)
        rest = yield Search(limit=9, cursor=page.cursor)
        assert (named(page.records), named(rest.records)) == ("d c", "a")

    @on_both_doors
    def test_a_cursor_that_is_not_ours_is_refused(self, clock: FakeClock) -> Case:
        yield from enqueue("a")
        for cursor in ("", "x", "-1", "1.5", "9" * 30, "٣", "1; drop"):
            with pytest.raises(UsageError, match="cursor"):
                yield Search(cursor=cursor)
        assert (yield from walk()) == "a"

    @on_both_doors
    def test_dead_letters_are_the_newest_first(self, clock: FakeClock) -> Case:
        """S5, S58, S72."""
        for name in ("a", "b", "c"):
            yield from run(name, "exhaust")
            clock.advance(1)
        yield from run("poisoned", "quarantine")
        yield from run("good")
        yield from run("stopped", "cancel")
        yield from run("dropped", "discard")
        assert named((yield DeadLetters())) == "poisoned c b a"
        assert named((yield DeadLetters(2))) == "poisoned c"
        assert (yield DeadLetters(1)) == ((yield from the("poisoned")),)

    @on_both_doors
    def test_dead_letters_of_one_instant_are_the_newest_enqueued_first(
        self, clock: FakeClock
    ) -> Case:
        yield from enqueue("a b c")
        for job in reversed((yield from claim()).jobs):
            yield from settle(ended(job, "exhaust"))
        assert named((yield DeadLetters())) == "c b a"
        assert named((yield DeadLetters(2, queue="default"))) == "c b"

    @on_both_doors
    def test_dead_letters_by_queue_and_type(self, clock: FakeClock) -> Case:
        yield from enqueue("a", queue="mail")
        yield from enqueue("b", queue="mail", job_type="other")
        yield from enqueue("c", job_type="other")
        yield from settle(*(ended(job, "exhaust") for job in (yield from claim()).jobs))
        assert named((yield DeadLetters(queue="mail"))) == "b a"
        assert named((yield DeadLetters(job_type="other"))) == "c b"
        assert named((yield DeadLetters(queue="mail", job_type="other"))) == "b"
        assert (yield DeadLetters(queue="none")) == ()

    @on_both_doors
    def test_a_retried_job_is_no_dead_letter(self, clock: FakeClock) -> Case:
        """S74."""
        yield from run("a", "exhaust")
        yield Retry(idents("a"))
        assert (yield DeadLetters()) == ()
        assert (yield History("send_email")) == ()

    @on_both_doors
    def test_history_is_every_end_of_a_type_newest_first(self, clock: FakeClock) -> Case:
        """S114."""
        trail = trails.succeeded(b"", {"id": 7})
        yield from run("a", trail=trail)
        ends: tuple[Settling, ...] = ("exhaust", "cancel", "discard")
        for name, event in zip("bcd", ends, strict=True):
            clock.advance(1)
            yield from run(name, event)
        yield from enqueue("other", job_type="other")
        record = yield from claim_one()
        yield from settle(ended(record))
        yield from enqueue("waits")
        assert named((yield History("send_email"))) == "d c b a"
        assert named((yield History("send_email", 3))) == "d c b"
        assert named((yield History("other"))) == "other"
        assert (yield History("none")) == ()
        (newest,) = yield History("other")
        assert newest == (yield from the("other"))
        assert (yield History("send_email"))[3].trail == trail

    @on_both_doors
    def test_history_goes_by_the_end_not_by_the_start(self, clock: FakeClock) -> Case:
        yield from enqueue("a b")
        a, b = (yield from claim()).jobs
        yield from settle(ended(b))
        clock.advance(1)
        yield from settle(ended(a))
        assert named((yield History("send_email"))) == "a b"
        assert (yield from the("a")).id == ident("a")
