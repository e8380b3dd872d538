"""What is stored stays readable: golden records of each released format, damage, growth."""

from __future__ import annotations

import dataclasses
import enum
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import msgpack
from msgspec.structs import replace
from pydantic import BaseModel, Field, SecretStr

from boundary.jobs.core import conversion, trails, wire
from boundary.jobs.core.job import FailedRun, Job, JobError, Progress, RetryPolicy
from boundary.jobs.core.records import Attempt
from boundary.jobs.core.retry import LONGEST_DELAY
from boundary.jobs.core.wire import Payload, Record
from boundary.jobs.errors import RecordError, SerializationError

ID = UUID("0190a0c8-7e62-7b7a-9b7a-3f1f4d2c1b0a")
T0 = 1_700_000_000_000
NOON = datetime(2026, 1, 2, 12, 0, 0, 123_000, tzinfo=UTC)

SMALL = "980181a2746fb075736572406578616d706c652e636f6d03c0c0c0c0c0"
FULL = (
    "980182a16e01a46465657093c3c081a178cb3ff80000000000000594a66c696e656172cd07d0cd7530c2"
    "cd4e20ce0036ee80ce05265c0081a7757365725f696407"
)
FAILED_TWICE = (
    "83a56572726f7293a4626f6f6daa56616c75654572726f72c0a66572726f7273929501cf0000018bcfe56800"
    "a86e6f20726f757465a74f534572726f72a954726163656261636b9502cf0000018bcfe56be8a4626f6f6d"
    "aa56616c75654572726f72c0a6726561736f6ea6656e6f756768"
)
RESULT = "81a6726573756c7481aa6d6573736167655f6964a76d73672d313233"
HALF_WAY = "92cb3fe0000000000000a868616c6620776179"

FULL_PAYLOAD = Payload(
    1,
    {"n": 1, "deep": [True, None, {"x": 1.5}]},
    5,
    ("linear", 2_000, 30_000, False),
    20_000,
    3_600_000,
    86_400_000,
    {"user_id": 7},
)


def record(**fields: Any) -> Record:
    """A stored job with the fields given."""
    small = Record(1, ID.bytes, "send_email", "mail", 2, bytes.fromhex(SMALL), T0, T0)
    return replace(small, **fields)


class TestGoldenVersion1:
    """These bytes are in users' stores: they must be read, and written, for ever."""

    def test_payloads(self) -> None:
        small = Payload(1, {"to": "user@example.com"}, 3)
        for payload, golden in ((small, SMALL), (FULL_PAYLOAD, FULL)):
            assert wire.decode_payload(bytes.fromhex(golden)) == payload
            assert wire.encode_payload(payload).hex() == golden

    def test_a_record_of_failed_runs(self) -> None:
        job = conversion.job_of(record(trail=bytes.fromhex(FAILED_TWICE), status="failed"))
        boom = JobError("boom", "ValueError")
        assert job.errors == (
            FailedRun(1, wire.at(T0), JobError("no route", "OSError", "Traceback")),
            FailedRun(2, wire.at(T0 + 1_000), boom),
        )
        assert (job.error, job.reason, job.result) == (boom, "enough", None)

    def test_a_record_with_a_result_and_progress(self) -> None:
        golden = record(trail=bytes.fromhex(RESULT), progress=bytes.fromhex(HALF_WAY))
        job = conversion.job_of(golden)
        assert job.result == {"message_id": "msg-123"}
        assert job.progress == Progress(0.5, "half way")
        assert trails.succeeded(b"", job.result).hex() == RESULT
        assert wire.encode_progress(job.progress).hex() == HALF_WAY

    def test_every_field_reaches_the_job(self) -> None:
        full = record(
            payload=bytes.fromhex(FULL),
            retry_count=2,
            execute_at=T0 + 1,
            started=T0 + 2,
            worker="w1",
            token=7,
            crashes=1,
            cancelling=True,
            status="running",
            priority=0,
            updated=T0 + 2,
        )
        assert conversion.job_of(full) == Job(
            id=ID,
            job_type="send_email",
            queue="mail",
            args=FULL_PAYLOAD.args,
            status="running",
            priority="critical",
            retry_count=2,
            max_retries=5,
            retry=RetryPolicy("linear", 2.0, 30.0, jitter=False),
            execute_at=wire.at(T0 + 1),
            created_at=wire.at(T0),
            updated_at=wire.at(T0 + 2),
            started_at=wire.at(T0 + 2),
            timeout=timedelta(seconds=20),
            expires_at=wire.at(T0 + 3_600_000),
            keep_result=timedelta(days=1),
            metadata={"user_id": 7},
            crash_count=1,
            cancel_requested=True,
            worker="w1",
            fencing_token=7,
        )


class TestGrowth:
    """Older and newer versions work on one store."""

    @pytest.mark.parametrize("version", [0, 2, 99])
    def test_another_version_is_named(self, version: int) -> None:
        for rest in ([{}, 3], ["another", "shape", {}], []):
            data = msgpack.encode([version, *rest])
            with pytest.raises(RecordError, match=f"version {version}.*newer") as caught:
                wire.decode_payload(data)
            assert caught.value.data == data

    def test_fields_a_newer_payload_appended_are_passed_over(self) -> None:
        fields = msgpack.decode(bytes.fromhex(FULL))
        assert wire.decode_payload(msgpack.encode([*fields, "group", {"x": 1}])) == FULL_PAYLOAD

    def test_other_arguments_leave_what_a_newer_version_appended(self) -> None:
        fields = msgpack.decode(bytes.fromhex(FULL))
        after = wire.with_args(msgpack.encode([*fields, "group", {"x": 1}]), {"n": 2})
        fields[wire.ARGS] = {"n": 2}
        assert msgpack.decode(after) == [*fields, "group", {"x": 1}]
        shorter = wire.with_args(msgpack.encode([1, {}, 4]), {"n": 2})
        assert msgpack.decode(shorter) == [1, {"n": 2}, 4]

    @pytest.mark.parametrize("data", [b"", b"\xc1", msgpack.encode([2, {}, 3])])
    def test_what_cannot_be_read_gets_no_other_arguments(self, data: bytes) -> None:
        with pytest.raises(RecordError):
            wire.with_args(data, {})

    def test_fields_an_older_payload_lacks_have_defaults(self) -> None:
        assert wire.decode_payload(msgpack.encode([1, {}, 4])) == Payload(1, {}, 4)

    def test_keys_of_a_trail_not_known_here_are_carried_along(self) -> None:
        trail = msgpack.encode({"span": "abc", "error": ["m", "T", None]})
        bang = JobError("bang", "ValueError")
        for after in (
            trails.succeeded(trail, 7),
            trails.failed(trail, 1, T0, bang),
            trails.because(trail, "why"),
            trails.unhandled(trail, T0)[0],
        ):
            assert msgpack.decode(after)["span"] == "abc"


class TestTrail:
    """What runs leave behind."""

    def test_a_plain_success_without_a_result_costs_nothing(self) -> None:
        assert trails.succeeded(b"", None) == b""

    def test_success_replaces_the_error_and_keeps_the_failed_runs(self) -> None:
        trail = trails.because(trails.failed(b"", 1, T0, JobError("m", "T")), "dropped")
        job = conversion.job_of(record(trail=trails.succeeded(trail, None), status="completed"))
        assert (job.error, job.reason, job.result, len(job.errors)) == (None, None, None, 1)

    def test_failure_replaces_the_result_and_the_reason(self) -> None:
        trail = trails.because(trails.succeeded(b"", 5), "once")
        job = conversion.job_of(record(trail=trails.failed(trail, 1, T0, JobError("m", "T"))))
        assert (job.result, job.reason, job.error) == (None, None, JobError("m", "T"))

    def test_of_all_failed_runs_the_last_stay(self) -> None:
        trail = b""
        for attempt in range(1, 26):
            trail = trails.failed(trail, attempt, T0 + attempt, JobError(f"m{attempt}", "T"))
        errors = conversion.job_of(record(trail=trail)).errors
        assert [run.attempt for run in errors] == list(range(16, 26))

    def test_what_is_too_long_is_bounded(self) -> None:
        error = JobError("m" * 10**6, "T" * 10**6, "outer" + "s" * 10**6 + "inner")
        trail = trails.because(trails.failed(b"", 1, T0, error), "r" * 10**6)
        assert len(trail) < 2 * (3 * trails.MESSAGE_LIMIT + trails.STACK_LIMIT)
        job = conversion.job_of(record(trail=trail))
        assert job.error is not None
        assert job.error.stacktrace is not None
        assert job.error.message.endswith("m…")
        assert job.error.stacktrace.startswith("…")
        assert job.error.stacktrace.endswith("inner")
        assert job.reason == "r" * trails.MESSAGE_LIMIT

    def test_text_of_a_class_of_its_own_is_plain_text(self) -> None:
        class Safe(str):
            __slots__ = ()

            def __str__(self) -> str:
                return self

        assert type(wire.as_utf8(Safe("<b>"))) is str

    def test_text_that_utf8_cannot_carry_is_escaped(self) -> None:
        """A file name from the system may hold bytes that are no text."""
        odd = "caf\udce9 é"
        trail = trails.because(trails.failed(b"", 1, T0, JobError(odd, odd, odd)), odd)
        progress = wire.encode_progress(Progress(0.1, odd))
        job = conversion.job_of(record(trail=trail, progress=progress))
        shown = "caf\\udce9 é"
        assert job.error == JobError(shown, shown, shown)
        assert job.progress == Progress(0.1, shown)
        assert job.reason == shown

    def test_why_the_latest_run_failed(self) -> None:
        error = JobError("m", "T", "stack")
        assert trails.error_of(trails.failed(b"", 1, T0, error)) == error
        assert trails.error_of(trails.succeeded(b"", 5)) is None
        assert trails.error_of(b"") is None
        assert trails.error_of(b"\xc1") is None

    def test_why_the_latest_run_was_put_off(self) -> None:
        assert trails.reason_of(trails.because(b"", "not yet")) == "not yet"
        assert trails.reason_of(b"") is None
        assert trails.reason_of(b"junk") is None
        assert trails.runs_of(b"junk") == ()

    def test_a_success_after_other_ends_keeps_the_runs_and_drops_their_reason(self) -> None:
        before = trails.because(b"", "not yet", (1, "w", T0, T0 + 5, "snooze"))
        after = trails.decode_trail(trails.succeeded(before, 7))
        assert (after.result, after.reason, after.by) == (7, None, None)
        assert [row[4] for row in after.runs] == ["snooze"]
        assert trails.decode_trail(trails.succeeded(before, 7, "w")).by == "w"

    def test_processes_a_job_cost_are_counted_from_its_last_full_budget(self) -> None:
        trail, times = trails.lost(b"", 0)
        assert times == 1
        trail, times = trails.lost(trail, 1)
        assert times == 2
        assert trails.lost(trail, 0)[1] == 1

    def test_progress_may_have_no_word(self) -> None:
        progress = wire.encode_progress(Progress(1.0))
        assert conversion.job_of(record(progress=progress)).progress == Progress(1.0)

    def test_how_long_nobody_could_run_it(self) -> None:
        trail, waited = trails.unhandled(b"", T0)
        assert waited == 0
        trail, waited = trails.unhandled(trail, T0 + 400)
        assert waited == 400
        for after in (
            trails.succeeded(trail, None),
            trails.failed(trail, 1, T0, JobError("m", "T")),
        ):
            assert trails.unhandled(after, T0 + 900)[1] == 0
        odd = msgpack.encode({"unhandled_since": "yesterday"})
        assert trails.unhandled(odd, T0)[1] == 0

    @pytest.mark.parametrize("damaged", [b"\xc1", b"\x93", b"\x91\x01", b"\x81\xa6errors\x07"])
    def test_a_damaged_trail_is_kept_aside(self, damaged: bytes) -> None:
        for after in (
            trails.succeeded(damaged, 1),
            trails.failed(damaged, 1, T0, JobError("m", "T")),
            trails.because(damaged, "why"),
            trails.unhandled(damaged, T0)[0],
        ):
            assert msgpack.decode(after)["damaged"] == damaged
            trails.decode_trail(after)


class TestDamage:
    """What cannot be read is said, never raised in somebody's face."""

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\xc1",
            b"\x00",
            b"\x98\x01",
            b"garbage",
            bytes.fromhex(SMALL)[:-1],
            msgpack.encode([1, [], 3]),
            msgpack.encode([1, {}, "three"]),
            msgpack.encode([1, {}, 3, ["sometimes", 1, 1, True]]),
            msgpack.encode([1, {}, 3, ["linear", 0, 1, True]]),
            b"\x93\x01\x81\xa1\xff\x01\x03",
            b"\x91" * 5_000,
            msgpack.encode(["1"]),
        ],
    )
    def test_bytes_that_are_no_payload(self, data: bytes) -> None:
        with pytest.raises(RecordError, match=f"{len(data)} bytes are kept") as caught:
            wire.decode_payload(data)
        assert caught.value.data == data
        job = conversion.job_of(record(payload=data, worker="w1", token=3))
        assert job.error is not None
        assert job.error.type == "RecordError"
        assert (job.id, job.job_type, job.args, job.fencing_token) == (ID, "send_email", {}, 3)

    @pytest.mark.parametrize(
        "trail",
        [
            {"error": 5},
            {"error": ["m"]},
            {"error": [1, 2, 3]},
            {"errors": 7},
            {"errors": [[1]]},
            {"errors": [["1", T0, "m", "T", None]]},
            {"reason": 9},
            [],
            5,
        ],
    )
    def test_a_trail_of_another_shape(self, trail: object) -> None:
        job = conversion.job_of(record(trail=msgpack.encode(trail)))
        assert job.error is not None
        assert job.error.type == "RecordError"

    def test_instants_and_durations_beyond_what_python_has(self) -> None:
        huge = 2**62
        far = record(
            created=-huge,
            updated=huge,
            execute_at=huge,
            started=huge,
            completed=10**15,
            payload=msgpack.encode([1, {}, 3, None, 2**63, 2**63, 2**63]),
            trail=msgpack.encode({"errors": [[1, huge, "m", "T", None]]}),
        )
        job = conversion.job_of(far)
        assert job.created_at.year == 1
        assert job.errors[0].at.year == 9999
        assert job.timeout is not None
        assert job.timeout.days == 999_999_999
        assert conversion.job_of(replace(far, payload=b"")).execute_at == job.execute_at

    @given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=40))
    def test_no_bytes_at_all_make_it_raise(
        self, payload: bytes, trail: bytes, progress: bytes
    ) -> None:
        job = conversion.job_of(record(payload=payload, trail=trail, progress=progress))
        assert job.id == ID

    @given(
        st.integers(0, 60),
        st.binary(min_size=1, max_size=3),
        st.sampled_from([bytes.fromhex(FULL), bytes.fromhex(FAILED_TWICE)]),
    )
    def test_a_flipped_byte_does_not_make_it_raise(
        self, place: int, by: bytes, golden: bytes
    ) -> None:
        bent = golden[:place] + by + golden[place + len(by) :]
        assert conversion.job_of(record(payload=bent, trail=bent)).id == ID
        assert conversion.job_of(record(trail=bent, progress=bent)).id == ID

    def test_a_job_that_killed_its_workers_says_so(self) -> None:
        job = conversion.job_of(record(status="failed", ending="crash", crashes=3))
        assert job.error is not None
        assert job.error.type == "WorkerLost"
        assert "3 workers" in job.error.message


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Address:
    street: str
    since: date


class Login(BaseModel):
    user: str
    token: SecretStr | None = None


class Written(BaseModel):
    name: str = Field(serialization_alias="fullName")


class TestJsonValue:
    """Plain data goes through; what JSON cannot carry is named."""

    @pytest.mark.parametrize(
        ("value", "plain"),
        [
            (None, None),
            (True, True),
            (7, 7),
            (1.5, 1.5),
            ("zoë", "zoë"),
            (Colour.RED, "red"),
            ([1, [2, []]], [1, [2, []]]),
            ((1, 2), [1, 2]),
            ({"a": {}}, {"a": {}}),
            ({1: "a"}, {"1": "a"}),
            (ID, str(ID)),
            (Decimal("1.10"), "1.10"),
            (Path("/tmp/x"), "/tmp/x"),
            (Address("High", date(2026, 1, 2)), {"street": "High", "since": "2026-01-02"}),
            (NOON, "2026-01-02T12:00:00.123000Z"),
        ],
    )
    def test_what_json_carries(self, value: object, plain: object) -> None:
        """S17."""
        stored = msgpack.encode(wire.json_value(value, "argument 'x'"))
        assert msgpack.decode(stored) == plain

    @pytest.mark.parametrize(
        "value", [object(), 2**70, -(2**70), "\udcff", {"a": [lambda: 1]}, [{"b": 2**70}], 1j]
    )
    def test_what_it_does_not_is_named(self, value: object) -> None:
        with pytest.raises(SerializationError, match=r"argument 'image' \(builtins") as caught:
            wire.json_value(value, "argument 'image'")
        assert caught.value.where == "argument 'image'"

    def test_a_value_of_a_class_made_of_a_plain_one_is_that(self) -> None:
        """Django's safe text, a NumPy float, an instant of Pendulum or of a clock that is frozen."""

        def of(base: Any, *given: object, **named: object) -> object:
            return type(f"My{base.__name__}", (base,), {"__str__": lambda self: self})(
                *given, **named
            )

        values = {
            "text": (of(str, "<b>zoë</b>"), "<b>zoë</b>"),
            "whole": (of(int, 7), 7),
            "number": (of(float, 1.5), 1.5),
            "bytes": (of(bytes, b"x"), "eA=="),
            "instant": (of(datetime, 2026, 1, 2, 12, 0, 0, 123_000, tzinfo=UTC), NOON),
            "day": (of(date, 2026, 1, 2), "2026-01-02"),
            "clock": (of(time, 8, 30), "08:30:00"),
            "span": (of(timedelta, hours=1), timedelta(hours=1)),
            "price": (of(Decimal, "1.10"), "1.10"),
        }
        for whole in (True, False):
            given = {name: one for name, (one, _) in values.items()}
            plain = {name: one for name, (_, one) in values.items()}
            assert wire.json_value(given, "args", whole=whole) == wire.json_value(plain, "args")
            for name, one in given.items():
                stored = wire.json_value(one, "args", whole=whole)
                assert stored == wire.json_value(plain[name], "args")
                assert type(stored) in {str, int, float}

    def test_a_class_that_hides_its_plain_value_is_named(self) -> None:
        class NaT(datetime):
            """As that of pandas: an instant that is none."""

            @property
            def year(self) -> int:
                return float("nan")  # type: ignore[return-value]

        with pytest.raises(SerializationError, match="argument 'when'"):
            wire.json_value(NaT(2026, 1, 1), "argument 'when'")

    def test_a_model_that_is_to_be_read_again_comes_back(self) -> None:
        for_good, cut = Login(user="ada"), Login(user="ada", token=SecretStr("hunter2"))
        read_otherwise = Written(name="Ada")
        assert wire.json_value([for_good], "args", whole=True) == [{"user": "ada", "token": None}]
        assert wire.json_value(cut, "result") == {"user": "ada", "token": "**********"}
        for one in (cut, read_otherwise):
            with pytest.raises(SerializationError, match="does not come back"):
                wire.json_value([one], "args", whole=True)
        assert wire.json_value(Path("a"), "args", whole=True) == "a"
        with pytest.raises(SerializationError, match="no JSON form"):
            wire.json_value(Login, "args", whole=True)

    def test_a_circle_is_refused(self) -> None:
        circle: list[object] = []
        circle.append(circle)
        with pytest.raises(SerializationError, match="result"):
            wire.json_value(circle, "result")


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
INSTANTS = st.integers(0, 4_000_000_000_000).map(wire.at)
SPANS = st.none() | st.integers(0, 10**10).map(lambda ms: timedelta(milliseconds=ms))
ERRORS = st.builds(JobError, TEXT, TEXT, st.none() | TEXT)
SHORT = st.integers(1, 10**7).map(lambda ms: ms / 1000)
LONG = st.integers(10**7, 10**9).map(lambda ms: ms / 1000)
JOBS = st.builds(
    Job,
    id=st.uuids(),
    job_type=st.just("send_email"),
    queue=st.sampled_from(["default", "mail"]),
    args=st.dictionaries(TEXT, JSON_VALUES, max_size=3),
    status=st.sampled_from(["pending", "running", "completed", "failed", "retrying", "cancelled"]),
    priority=st.sampled_from(["critical", "high", "normal", "low"]),
    retry_count=st.integers(0, 1_000),
    max_retries=st.integers(0, 1_000),
    retry=st.builds(
        RetryPolicy,
        st.sampled_from(["exponential", "linear", "constant"]),
        SHORT,
        LONG,
        st.booleans(),
    ),
    execute_at=st.none() | INSTANTS,
    created_at=INSTANTS,
    updated_at=INSTANTS,
    started_at=st.none() | INSTANTS,
    completed_at=st.none() | INSTANTS,
    timeout=SPANS,
    expires_at=st.none() | INSTANTS,
    keep_result=SPANS,
    result=JSON_VALUES,
    error=st.none() | ERRORS,
    errors=st.lists(st.builds(FailedRun, st.integers(1, 99), INSTANTS, ERRORS), max_size=3).map(
        tuple
    ),
    attempts=st.lists(
        st.builds(
            Attempt,
            st.integers(1, 99),
            st.none() | st.just("w1"),
            st.none() | INSTANTS,
            INSTANTS,
            st.sampled_from(["fail", "snooze", "succeed"]),
        ),
        max_size=3,
    ).map(tuple),
    reason=st.none() | TEXT,
    metadata=st.dictionaries(TEXT, JSON_VALUES, max_size=2),
    progress=st.none() | st.builds(Progress, st.floats(0, 1), st.none() | TEXT),
    crash_count=st.integers(0, 9),
    cancel_requested=st.booleans(),
    worker=st.none() | st.just("w1"),
    fencing_token=st.integers(0, 2**40),
)


WITH_RUNS = (
    "83a472756e73929501a27731cf0000018bcfe56418cf0000018bcfe56800a46661696c9502a27732c0cf0000018b"
    "cfe56be8a6736e6f6f7a65a6726573756c7407a26279a27733"
)


class TestRuns:
    """What each run leaves behind."""

    def test_golden_runs_are_read(self) -> None:
        """A failed run, a snoozed one, and one that succeeded, of which the record tells when."""
        done = record(
            trail=bytes.fromhex(WITH_RUNS),
            status="completed",
            ending="succeed",
            started=T0 + 2_000,
            completed=T0 + 3_000,
            retry_count=1,
        )
        assert conversion.job_of(done).attempts == (
            Attempt(1, "w1", wire.at(T0 - 1_000), wire.at(T0), "fail"),
            Attempt(2, "w2", None, wire.at(T0 + 1_000), "snooze"),
            Attempt(2, "w3", wire.at(T0 + 2_000), wire.at(T0 + 3_000), "succeed"),
        )

    def test_trails_of_before_have_none(self) -> None:
        for golden in (FAILED_TWICE, RESULT, ""):
            job = conversion.job_of(record(trail=bytes.fromhex(golden), completed=T0, started=T0))
            assert job.attempts == ()

    def test_each_kind_of_end_is_added(self) -> None:
        boom = JobError("boom", "ValueError", "Traceback")
        trail = trails.failed(b"", 1, T0, boom, (1, "w1", T0 - 5, T0, "fail"))
        trail = trails.ran(trail, (2, "w1", T0 + 5, T0 + 6, "snooze"))
        trail = trails.because(trail, "enough", (2, "w2", T0 + 7, T0 + 8, "cancel"))
        job = conversion.job_of(record(trail=trail, status="cancelled", completed=T0 + 8))
        assert [(one.number, one.worker, one.outcome) for one in job.attempts] == [
            (1, "w1", "fail"),
            (2, "w1", "snooze"),
            (2, "w2", "cancel"),
        ]
        assert [one.error for one in job.attempts] == [boom, None, None]
        assert job.reason == "enough"

    def test_they_are_bounded(self) -> None:
        trail = b""
        for number in range(1, 100):
            trail = trails.ran(trail, (number, "w", None, T0 + number, "snooze"))
        attempts = conversion.job_of(record(trail=trail)).attempts
        assert [one.number for one in attempts] == list(range(80, 100))

    def test_an_end_well_costs_the_name_of_the_worker(self) -> None:
        assert msgpack.decode(trails.succeeded(b"", None, "w1")) == {"by": "w1"}
        assert msgpack.decode(trails.succeeded(b"", 7, "w1")) == {"result": 7, "by": "w1"}

    def test_one_who_ended_well_is_forgotten_when_it_runs_again(self) -> None:
        """Not by our life cycle, but a trail may have come from anywhere."""
        again = trails.failed(trails.succeeded(b"", 7, "w1"), 1, T0, JobError("m", "T"))
        assert conversion.job_of(record(trail=again, completed=T0)).attempts == ()


class TestWholeJobs:
    """A job handed over as a whole comes back equal."""

    @given(JOBS)
    def test_a_job_comes_back_equal(self, job: Job) -> None:
        """S69: types included."""
        failed = {(one.attempt, one.at) for one in job.errors}
        # Of a run that failed both tell; here they are drawn apart.
        assume(not any((one.number, one.ended_at) in failed for one in job.attempts))
        assert conversion.job_of(conversion.record_of(job, {})) == job

    def test_retention_counts_from_the_end(self) -> None:
        job = Job(
            id=ID,
            job_type="t",
            created_at=NOON,
            updated_at=NOON,
            status="completed",
            completed_at=NOON,
        )
        noon = wire.millis(NOON)
        assert conversion.record_of(job, {"completed": 500}).prune_at == noon + 500
        assert conversion.record_of(job, {"failed": 500}).prune_at is None
        assert (
            conversion.record_of(replace(job, completed_at=None), {"completed": 5}).prune_at is None
        )

    def test_the_default_policy_costs_nothing(self) -> None:
        assert wire.retry_fields(RetryPolicy()) is None
        assert wire.retry_policy(None) == RetryPolicy()

    def test_a_policy_of_less_than_a_millisecond_can_be_read_again(self) -> None:
        policy = RetryPolicy("constant", 0.000_1, 0.000_2)
        assert wire.retry_policy(wire.retry_fields(policy)) == RetryPolicy("constant", 0.001, 0.001)

    @pytest.mark.parametrize("levels", [65, 500, 100_000])
    def test_what_is_nested_too_deep_is_named_with_a_remedy(self, levels: int) -> None:
        value: object = 1
        for level in range(levels):
            value = {"a": value} if level % 2 else (value,)
        with pytest.raises(SerializationError, match=r"argument 'x' .* 64 levels.*; flatten it"):
            wire.json_value(value, "argument 'x'")

    def test_what_looks_deep_in_its_bytes_is_looked_at(self) -> None:
        for value in ("ü" * 100, ["ü" * 100], [[200]] * 100, [{"a": [1]}] * 100):
            assert wire.json_value(value, "x") == value

    def test_extensions_of_messagepack_are_unreadable(self) -> None:
        data = msgpack.encode([1, {"x": msgpack.Ext(5, b"abc")}, 3])
        with pytest.raises(RecordError, match="an extension of type 5, 3 bytes, is no JSON"):
            wire.decode_payload(data)

    def test_what_cannot_be_read_shows_no_secret(self) -> None:
        data = b"\x93\x01\x81\xa5token\xadcanary-7f3b19\xc1"
        with pytest.raises(RecordError, match=r"23 bytes are kept: \[redacted\]"):
            wire.decode_payload(data[:23])
        with pytest.raises(RecordError, match=r"10 bytes are kept: 93 01 81 a5 6f 74"):
            wire.decode_payload(b"\x93\x01\x81\xa5other\xc1")

    def test_a_policy_beyond_ours_can_be_read(self) -> None:
        """Another program may store any number of milliseconds."""
        data = wire.encode_payload(Payload(1, {}, 3, ("linear", 1_500, 2**62, True)))
        policy = wire.retry_policy(wire.decode_payload(data).retry)
        assert policy == RetryPolicy("linear", 1.5, LONGEST_DELAY)

    def test_args_that_json_cannot_carry_are_named(self) -> None:
        job = Job(id=ID, job_type="t", args={"x": object()}, created_at=NOON, updated_at=NOON)
        with pytest.raises(SerializationError, match="args"):
            conversion.record_of(job, {})
