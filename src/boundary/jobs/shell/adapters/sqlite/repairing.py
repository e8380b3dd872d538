"""What can be wrong with a row, and the statements that put it right.

SQLite keeps its indexes itself, so a row cannot be missing from one (the doctor has SQLite check
that). But a hand, or another program, may leave a row whose columns contradict its status.

What belongs here: each fault as a condition, and its remedy. What does not: in which steps rows
are looked at (`plans`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from boundary.jobs.core.causes import BY_STORE
from boundary.jobs.core.lifecycle import DEAD, ENDINGS, FINISHED
from boundary.jobs.core.operations import Amiss


def _listed(words: Mapping[str, str] | frozenset[str]) -> str:
    return ", ".join(f"'{word}'" for word in sorted(words))


def _case(words: Mapping[str, str]) -> str:
    return " ".join(f"WHEN '{word}' THEN '{value}'" for word, value in sorted(words.items()))


_UNNAMED = f"CASE ending {_case(BY_STORE)} END || ':' || job_type"

FAULTS: Final[dict[Amiss, tuple[str, tuple[str, ...]]]] = {
    # A lease that has just ended: the next heartbeat renews it, else the job is taken back.
    "running": (
        (
            "status = 'running' AND (worker IS NULL OR "
            "NOT EXISTS (SELECT 1 FROM worker WHERE worker.worker = job.worker))"
        ),
        (
            "UPDATE job SET worker = 'nobody' WHERE {where} AND worker IS NULL",
            (
                "INSERT INTO worker (worker, expires) SELECT DISTINCT worker, ?3 FROM job "
                "WHERE {where} ON CONFLICT (worker) DO NOTHING"
            ),
        ),
    ),
    "due": (
        "status = 'retrying' AND due IS NULL",
        ("UPDATE job SET due = coalesce(execute_at, ?3) WHERE {where}",),
    ),
    "dead letter": (
        f"ending IN ({_listed(DEAD)}) AND cause IS NULL",
        (f"UPDATE job SET cause = {_UNNAMED} WHERE {{where}}",),
    ),
    "history": (
        f"status IN ({_listed(FINISHED)}) AND (completed IS NULL OR ending = '')",
        (
            (
                "UPDATE job SET completed = coalesce(completed, updated), "
                f"ending = CASE WHEN ending <> '' THEN ending ELSE CASE status {_case(dict(ENDINGS))} "
                "END END WHERE {where}"
            ),
        ),
    ),
    # It stands where its status does not allow: it would be claimed, promoted or taken back.
    "entry without a job": (
        (
            "(position IS NOT NULL AND (status <> 'pending' OR due IS NOT NULL)) "
            "OR (due IS NOT NULL AND status NOT IN ('pending', 'retrying')) "
            "OR (worker IS NOT NULL AND status <> 'running')"
        ),
        (
            (
                "UPDATE job SET "
                "position = CASE WHEN status = 'pending' AND due IS NULL THEN position END, "
                "due = CASE WHEN status IN ('pending', 'retrying') THEN due END, "
                "worker = CASE WHEN status = 'running' THEN worker END WHERE {where}"
            ),
        ),
    ),
}
"""Kind → what is true of such a job, and what to run: ?1 and ?2 are the stretch, ?3 is now."""
