"""`make soak`: rounds of all experiments, each with a seed of its own, and the scorecard they make.

What belongs here: how long, how often, and where to. What does not: the experiments (every
`test_*.py` of this folder), and how cards add up (`scorecard`).

    SOAK=short   one round, minutes, as in CI
    SOAK=hour    rounds of the short form until an hour is over (SOAK_MINUTES: until so many are)
    SOAK=long    one round of the long form, ten thousand kills and more: a night; and ten thousand
                 simulated days of schedules, which hand in no card

Words after the command go to pytest: make soak SOAK=short ARGS="-k power". What happened stays below
.soak/, a folder a round; a round that was well keeps its log and cards only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.chaos.scorecard import Failure, Scorecard, cards_in, table

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".soak"
LIMIT = {"short": 900, "hour": 900, "long": 36_000}
"""Seconds an experiment has that does not say so itself."""
DAYS = "tests/worker/test_schedules.py::test_a_hundred_days_of_ticks_each_exactly_once"
"""What is in the long form beside the experiments: a hundred times as many days."""


def main(words: list[str]) -> int:
    """The exit code: 0 if nothing was lost, nothing is unexplained and nothing failed."""
    minutes = float(os.environ.get("SOAK_MINUTES") or "0")
    length = os.environ.get("SOAK", "hour" if minutes else "short")
    if length not in LIMIT:
        print(f"SOAK is {length!r}; it may be {', '.join(LIMIT)}", file=sys.stderr)
        return 2
    minutes = minutes or (60.0 if length == "hour" else 0.0)
    shutil.rmtree(WORK, ignore_errors=True)
    score = Scorecard.empty(length)
    began = time.monotonic()
    while score.rounds == 0 or time.monotonic() - began < minutes * 60:
        _round(score, length, words)
        score.minutes = round((time.monotonic() - began) / 60, 1)
        score.write(_place(length))
    print(f"\n{table(score)}\n{_place(length)}")
    return 0 if score.is_clean else 1


def _place(length: str) -> Path:
    """Where the scorecard goes: a short one is not what the documentation shows."""
    usual = WORK / "scorecard.json" if length == "short" else ROOT / "docs" / "scorecard.json"
    return Path(os.environ.get("SCORECARD", usual))


def _round(score: Scorecard, length: str, words: list[str]) -> None:
    """Every experiment once, with the next seed; its cards and failures are in the scorecard."""
    score.rounds += 1
    seed = int(os.environ.get("SOAK_SEED", "0")) + score.rounds
    folder = WORK / f"round-{seed}"
    folder.mkdir(parents=True)
    began = time.monotonic()
    code = _experiments(folder, length, seed, words)
    score.add(cards_in(folder / "cards"))
    failed = _outcomes(score, folder / "junit.xml", seed)
    if code and not failed:
        failed = [Failure(test="pytest", seed=seed, text=f"ended with {code}")]
    score.failures += failed
    if failed:
        print((folder / "log").read_text(errors="replace")[-20_000:])
    else:
        shutil.rmtree(folder / "tmp", ignore_errors=True)
    print(f"round {seed}: {len(failed)} failed, {time.monotonic() - began:.0f} s", flush=True)


def _experiments(folder: Path, length: str, seed: int, words: list[str]) -> int:
    """Every experiment has run; pytest's exit code, 124 if it was not done in time."""
    limit = LIMIT[length]
    further = {"long": [DAYS]}.get(length, [])
    command = [
        *(sys.executable, "-m", "pytest", "tests/chaos", *further, "-m", "", "-n", "auto"),
        *("--dist", "worksteal", f"--timeout={limit}", f"--basetemp={folder / 'tmp'}"),
        *(f"--junitxml={folder / 'junit.xml'}", *words),
    ]
    environ = {
        **os.environ,
        "SOAK": "long" if length == "long" else "short",
        "SOAK_SEED": str(seed),
        "PATIENCE": os.environ.get("PATIENCE", "5"),
        "SOAK_CARDS": str(folder / "cards"),
        **({"HYPOTHESIS_PROFILE": "thorough"} if length == "long" else {}),
    }
    with (folder / "log").open("wb") as log:
        try:
            return subprocess.run(
                command,
                cwd=ROOT,
                env=environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=2 * limit,
            ).returncode
        except subprocess.TimeoutExpired:
            return 124


def _outcomes(score: Scorecard, report: Path, seed: int) -> list[Failure]:
    """What failed, by pytest's own report; what was skipped is written down."""
    failures = []
    for case in ET.parse(report).iter("testcase") if report.exists() else ():
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        for told in case:
            text = (told.get("message") or "").partition("\n")[0][:300]
            if told.tag == "skipped":
                score.skipped[name] = text
            elif told.tag in {"failure", "error"}:
                failures.append(Failure(test=name, seed=seed, text=text))
    return failures


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
