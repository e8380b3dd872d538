"""Today's workers and clients beside those of a newer version, on one store, while workers die."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import msgspec
import pytest
from msgspec import msgpack

from boundary.jobs import Job
from boundary.jobs.core import trails, wire
from boundary.jobs.core.operations import Find
from boundary.jobs.core.wire import Record
from boundary.jobs.shell.flows import ask
from tests.chaos import newer
from tests.chaos.card import hand_in, scale, seed
from tests.chaos.stumbling import failures
from tests.chaos.traffic import Report, Traffic
from tests.chaos.witness import (
    PATIENCE,
    card_of,
    history_of,
    is_there,
    kill,
    now,
    recovery,
    stop,
    store_of,
)
from tests.processes.conftest import Floor
from tests.proof.history import Event, Revived
from tests.waiting import eventually

pytestmark = pytest.mark.long

HANDLERS = "tests.chaos.stumblers"
TODAY = ("-m", "boundary.jobs", "worker", HANDLERS)
NEWER = ("-m", "tests.chaos.newer", "worker", HANDLERS)
CLIENTS = (("-m", "tests.chaos.stumbling"), ("-m", "tests.chaos.newer", "client"))
UNREADABLE = "RecordError:"
EDITED = 5


class Found(NamedTuple):
    """What is wrong with the records in the end, and how many of each sort there are."""

    wrong: list[str]
    of_two: int
    carried: int


@pytest.mark.timeout(7_200)
def test_two_versions_of_the_record_share_a_store(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G16: what today's code does not know it carries along, what it cannot read it puts aside.

    Then today's workers are gone, an operator retries what was put aside, and edits some others.
    """
    chance, traffic = random.Random(seed()), Traffic(floor)
    for program in CLIENTS:
        traffic.produce(program=program)
    staff = [traffic.work(program=program) for program in (TODAY, NEWER)]
    theirs = {str(staff[1].pid)}
    traffic.running()
    deaths: list[Event] = []
    for _ in range(scale(8, 400)):
        place = chance.randrange(2)
        begin(traffic, 30)
        deaths.append(kill(staff[place]))
        traffic.workers.remove(staff[place])
        staff[place] = traffic.work(program=(TODAY, NEWER)[place])
        theirs |= {str(staff[1].pid)}
        is_there(floor, staff[place])
    quiet(traffic)
    aside = {str(one.id): one for one in unreadable(floor)}
    assert aside, "a worker of today met records of version 2"
    wrong = [f"{id} was put aside: {job.error}" for id, job in aside.items() if not is_told(job)]
    wrong += [
        f"{id} was put aside and rewritten"
        for id, record in records(floor, list(aside)).items()
        if not newer.is_two(record.payload) or written_by(record.payload) != [*newer.APPENDED]
    ]
    anew = [*edited(floor), *retried(floor, aside)]
    theirs |= {str(traffic.work(program=NEWER).pid)}
    eventually(f"nothing is left\n{floor.log()}", traffic.is_empty, PATIENCE)
    stop(floor, traffic.workers)
    monkeypatch.setattr(wire, "_decode_payload", newer.read)
    found = looked_at(floor, [one.job for one in traffic.asked()], theirs)
    history = history_of(floor, [*traffic.asked(), *deaths, *anew])
    assert history.counted is not None
    done = sum(one.status == "completed" for one in history.kept)
    dead = len(history.kept) - done + len(anew)
    if history.counted[:2] != (done, dead):
        wrong.append(f"the store counts {history.counted}, there are {done} done, {dead} died")
    card = card_of(
        history._replace(counted=None),
        promise="G16",
        experiment="two versions of the record on one store",
        store=store_of(floor),
        began=traffic.began,
    )
    print(*wrong, *found.wrong, sep="\n")
    unexplained = card.unexplained + len(wrong) + len(found.wrong)
    note = (
        f"{found.carried} records rewritten by both versions; "
        f"{found.of_two} of a format today's workers do not read, {len(aside)} of which they "
        "put aside"
    )
    assert found.carried, "some jobs have failed under both"
    put_off = {one.job for one in anew}
    own = [one for one in history.events if getattr(one, "job", None) not in put_off]
    hand_in(
        msgspec.structs.replace(
            card,
            unexplained=unexplained,
            worst_recovery=recovery(history._replace(events=own)),
            note=note,
        )
    )


def begin(traffic: Traffic, jobs: int) -> None:
    """So many have begun since now."""
    before = len(traffic.floor.lines())
    eventually(
        f"there is work\n{traffic.floor.log()}",
        lambda: len(traffic.floor.lines()) >= before + 2 * jobs,
        PATIENCE,
    )


def quiet(traffic: Traffic) -> None:
    """Clients have stopped, nothing is left to run, no worker is left."""
    traffic.drain(PATIENCE)
    traffic.workers.clear()
    traffic.producers.clear()


def unreadable(floor: Floor) -> list[Job]:
    """Dead letters that a worker could not read, as an operator finds them."""
    found, cursor = list[Job](), None
    while True:
        page = floor.jobs.search(status="failed", limit=200, cursor=cursor)
        found += [one for one in page.jobs if one.error and one.error.type == "RecordError"]
        cursor = page.cursor
        if cursor is None:
            break
    # Of the others a newer worker has seen to the end; today's code shows them so, too.
    raw = records(floor, [str(one.id) for one in found])
    return [one for one in found if raw[str(one.id)].ending == "quarantine"]


def is_told(job: Job) -> bool:
    """Whether its error says what is the matter, and what to do."""
    assert job.error is not None
    return "format version 2" in job.error.message and "newer boundary-jobs" in job.error.message


def retried(floor: Floor, aside: dict[str, Job]) -> list[Revived]:
    """All that were put aside wait again, by the groups an operator sees."""
    groups = [one for one in floor.jobs.failure_groups() if one.fingerprint.startswith(UNREADABLE)]
    assert sum(one.count for one in groups) == len(aside)
    at = now()
    for one in groups:
        floor.jobs.retry_failed(fingerprint=one.fingerprint, by="operator")
    assert not [
        one for one in floor.jobs.failure_groups() if one.fingerprint.startswith(UNREADABLE)
    ]
    return [Revived(id, at) for id in aside]


def edited(floor: Floor) -> list[Revived]:
    """Some dead letters that a newer client wrote get arguments from today's code, the same."""
    dead = [one for one in floor.jobs.failed(200) if one.error and one.error.type == "ValueError"]
    raw = records(floor, [str(one.id) for one in dead])
    theirs = [one for one in dead if written_by(raw[str(one.id)].payload)][:EDITED]
    assert theirs, "some jobs of a newer client have failed for good"
    at = now()
    for one in theirs:
        floor.jobs.edit(one.id, one.args, by="operator")
    return [Revived(str(one.id), at) for one in theirs]


def records(floor: Floor, ids: list[str]) -> dict[str, Record]:
    """As they are in the store."""
    names = [bytes.fromhex(id.replace("-", "")) for id in ids]
    found: dict[str, Record] = {}
    for first in range(0, len(ids), 100):
        few = floor.jobs._run(ask(Find(tuple(names[first : first + 100]))))
        found |= {
            id: one
            for id, one in zip(ids[first : first + 100], few, strict=True)
            if one is not None
        }
    return found


def written_by(payload: bytes) -> list[Any]:
    """What a payload has beside what today's code knows: nothing, or what the newer one appended."""
    return list(msgpack.decode(payload)[len(wire.Payload.__struct_fields__) :])


def looked_at(floor: Floor, ids: list[str], theirs: set[str]) -> Found:
    """Every record, compared with what the newer version wrote and with what its runs came to.

    Args:
        theirs: Processes of the newer version's workers.
    """
    wrong: list[str] = []
    of_newer = {one["job"] for one in Report(floor.folder / "producer-1").words() if "job" in one}
    of_two = carried = 0
    for id, record in records(floor, ids).items():
        payload = wire.decode_payload(record.payload)
        fails = failures(payload.args["seconds"]) if record.job_type == "stumbles" else 0
        wanted = "failed" if fails > payload.max_retries else "completed"
        if record.status != wanted or record.ending == "quarantine":
            wrong.append(f"{id} is {record.status} ({record.ending}), and fails {fails} times")
        of_two += newer.is_two(record.payload)
        if written_by(record.payload) != ([*newer.APPENDED] if id in of_newer else []):
            wrong.append(f"{id} has {written_by(record.payload)}")
        runs = trails.runs_of(record.trail)
        by = [(run[1] or "").split(":")[1:2] for run in runs if run[4] in {"fail", "exhaust"}]
        marked = sum(bool(one) and one[0] in theirs for one in by)
        trail = msgpack.decode(record.trail) if record.trail else {}
        carried += 0 < marked < len(runs)
        if trail.get(newer.WRITTEN, 0) < marked:
            wrong.append(f"{id} was written {marked} times by the newer version: {trail}")
    return Found(wrong, of_two, carried)
