"""Runs the scenarios, medians of several rounds, and prints one report.

python -m benchmarks [--store redis|sqlite|worker|all] [--peers all|none|celery,rq] [--rounds 3] [--quick]
                     [--brief] [--full] [--aof] [--server KIND] [--json FILE] [--markdown FILE]
"""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import environments, ours, redis_suite, report, sqlite_suite, worker_suite
from devservers import binaries


def main() -> None:
    """Parse the arguments, run, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--store", choices=("redis", "sqlite", "worker", "all"), default="all")
    parser.add_argument("--peers", default="all", help="all, none, or names with commas between")
    parser.add_argument("--rounds", type=int, default=3, help="rounds; medians are shown")
    parser.add_argument("--quick", action="store_true", help="a tenth of the jobs")
    parser.add_argument(
        "--brief",
        action="store_true",
        help="peers in one variant each, without producers, sleepers and jobs due at an instant",
    )
    parser.add_argument("--full", action="store_true", help="ours: drain a million jobs")
    parser.add_argument("--aof", action="store_true", help="ours also with AOF, everysec")
    parser.add_argument("--server", help="redis-newest, redis or valkey; the first that is here")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--markdown", type=Path, help="also write the report here")
    options = parser.parse_args()
    scale = 0.1 if options.quick else 1.0
    try:
        peers = environments.chosen(options.peers, brief=options.brief)
    except ValueError as error:
        parser.error(str(error))
    found: dict[str, Any] = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": ours.versions(),
        "scale": scale,
        "brief": options.brief,
        "load": os.getloadavg()[0],  # of others: nothing of ours has run yet
    }
    head = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    text = f"# Benchmarks, {found['when']}\n\n{head}; scale {scale:g}"
    text += f"{', brief' if options.brief else ''}; load before it began: {found['load']:.1f}\n\n"
    if options.store in {"redis", "all"}:
        binary = _server(parser, options.server)
        sizes = redis_suite.Sizes(scale, options.full, options.brief)
        found["redis"] = _redis(peers, sizes, binary, options.rounds, aof=options.aof)
        text += report.redis(found["redis"]) + "\n"
    if options.store in {"sqlite", "all"}:
        beside = options.peers == "all" or "huey" in options.peers
        found["sqlite"] = sqlite_suite.run(options.rounds, scale, peers=beside)
        text += report.sqlite(found["sqlite"]) + "\n"
    if options.store in {"worker", "all"}:
        found["worker"] = worker_suite.run(options.rounds, scale)
        text += report.worker(found["worker"])
    print(text)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    if options.markdown:
        options.markdown.write_text(text)


def _server(parser: argparse.ArgumentParser, kind: str | None) -> binaries.Binary:
    here = binaries.available()
    for binary in here:
        if kind in {None, binary.kind}:
            return binary
    names = ", ".join(each.kind for each in here) or "none; Remedy: apt-get install redis-server"
    raise SystemExit(f"{parser.prog}: no such server is here; there are {names}")


def _redis(
    peers: list[environments.Peer],
    sizes: redis_suite.Sizes,
    binary: binaries.Binary,
    rounds: int,
    *,
    aof: bool,
) -> dict[str, Any]:
    """Every peer in turn, `rounds` times, so that a drift of the machine hits all alike."""
    yards: list[dict[str, float]] = []
    benches: dict[str, list[redis_suite.Bench]] = {}
    for number in range(rounds):
        print(f"Redis, round {number + 1} of {rounds}", flush=True)
        yard, row = redis_suite.one_round(peers, sizes, binary, aof=aof)
        yards.append(yard)
        for bench in row:
            benches.setdefault(bench.label, []).append(bench)
    own = benches[environments.OURS.name]
    return {
        "server": f"{binary.kind} {binary.version}",
        "rounds": rounds,
        "raw": report.medians(yards),
        "ratios": report.medians(
            redis_suite.ratios(bench.figures, yard) for bench, yard in zip(own, yards, strict=True)
        ),
        "peers": [
            {
                "name": label,
                "figures": report.medians(bench.figures for bench in row),
                "failures": {
                    name: f"{why} (in {sum(name in each.failures for each in row)} of {rounds})"
                    for bench in row
                    for name, why in bench.failures.items()
                },
                "info": next((bench.info for bench in row if bench.info), {}),
            }
            for label, row in benches.items()
        ],
    }


if __name__ == "__main__":
    main()
