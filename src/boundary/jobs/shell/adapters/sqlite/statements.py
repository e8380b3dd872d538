"""The SQL, each statement by name.

What belongs here: statements that more than one line of thought goes into, and those that are run
for every job: each of these finds its rows in an index alone, which a test asks SQLite about. What
does not: when they are run (`plans`).
"""

from __future__ import annotations

from typing import Final

COLUMNS = (
    "seq, id, job_type, queue, priority, payload, created, updated, status, due, execute_at, "
    "started, completed, worker, token, retry_count, crashes, cancelling, ending, trail, "
    "progress, position IS NULL AND due IS NULL AND status = 'pending', prune_at"
)
"""A `Record`, field by field."""

# A job comes in


def _insert(rows: int) -> str:
    values = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"] * rows)
    return (
        "INSERT INTO job (id, job_type, queue, priority, payload, created, updated, position, "
        f"due, execute_at) VALUES {values} ON CONFLICT (id) DO NOTHING"
    )


TOGETHER = 25
"""Rows in one INSERT: a statement has a price of its own, about that of a row."""

INSERT, INSERT_TOGETHER = _insert(1), _insert(TOGETHER)

LAST_PLACE: Final = 2**62
"""What a hand put behind this (or before its negative) stays there; others share a place, by seq."""

APPEND = f"""
INSERT INTO job (id, job_type, queue, priority, payload, created, updated, execute_at, position)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, (
    SELECT max({-LAST_PLACE}, min(coalesce(max(position), 0), {LAST_PLACE})) + 1 FROM job
    WHERE queue = ?3 AND priority = ?4 AND position IS NOT NULL
))
ON CONFLICT (id) DO NOTHING
"""
"""One job, ready, at the tail of its lane. Around a flush each statement costs as much as a page."""

NEWEST = "SELECT max(seq) FROM job"
IDS_AFTER = "SELECT id FROM job WHERE seq > ?"
TAIL = "SELECT max(position) FROM job WHERE queue = ? AND priority = ? AND position IS NOT NULL"
HEAD = "SELECT min(position) FROM job WHERE queue = ? AND priority = ? AND position IS NOT NULL"
UNPARK = (
    "UPDATE job SET queue = ?, priority = ?, updated = ?, position = ?, due = ?, execute_at = ? "
    "WHERE seq = ?"
)

# A worker's cycle

LEASE = "SELECT expires FROM worker WHERE worker = ?"
RENEW = (
    "INSERT INTO worker (worker, expires) VALUES (?, ?) "
    "ON CONFLICT (worker) DO UPDATE SET expires = excluded.expires"
)
QUEUES = """
WITH RECURSIVE found (name) AS (
    SELECT (SELECT queue FROM job WHERE position IS NOT NULL ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (
        SELECT queue FROM job
        WHERE position IS NOT NULL AND queue > found.name ORDER BY queue LIMIT 1
    )
    FROM found WHERE found.name IS NOT NULL
)
SELECT name FROM found WHERE name IS NOT NULL
"""
"""Queues with ready jobs, by leaps through the index: as many steps as there are queues."""

PAUSED = "SELECT queue FROM paused"
PICK = """
SELECT job.seq, id, job_type, job.queue, job.priority, payload, created, execute_at, token,
       retry_count, crashes, trail
FROM (
    SELECT seq, priority AS rank, position AS place FROM job
    WHERE queue = ? AND position IS NOT NULL ORDER BY priority, position LIMIT ?
) AS next
JOIN job ON job.seq = next.seq
ORDER BY next.rank, next.place
"""
LAST_TOKEN: Final = 2**53 - 1
"""No claim counts on from here: a row that a hand gave a larger token is handed over all the same."""

HAND_OVER = (
    "UPDATE job SET status = 'running', worker = ?, "
    f"token = min(token, {LAST_TOKEN - 1}) + 1, started = ?, updated = ?, "
    "due = NULL, position = NULL, cancelling = 0, progress = x'' "
    "WHERE seq IN (SELECT value FROM json_each(?))"
)
"""One statement for a whole batch: a step for each job would hand the interpreter's lock to and
fro as often."""

DUE = (
    "SELECT seq, queue, priority FROM job WHERE due IS NOT NULL AND due <= ? "
    "ORDER BY due, seq LIMIT ?"
)
NEXT_DUE = "SELECT min(due) FROM job WHERE due IS NOT NULL"
AT_HAND = (
    "SELECT (SELECT expires FROM worker WHERE worker = ?), "
    "(SELECT min(due) FROM job WHERE due IS NOT NULL), (SELECT min(next_at) FROM schedule), "
    "EXISTS (SELECT 1 FROM paused), "
    "EXISTS (SELECT 1 FROM job WHERE worker = ? AND cancelling = 1)"
)
"""What every claim asks first, in one statement, as with `HAND_OVER`."""

PLACE = (
    "UPDATE job SET status = 'pending', due = NULL, worker = NULL, cancelling = 0, position = ?, "
    "updated = ? WHERE seq = ?"
)
CANCELLING = "SELECT id FROM job WHERE worker = ? AND cancelling = 1 ORDER BY seq"
HELD = "SELECT id, seq, token, cancelling, queue, priority, job_type FROM job WHERE worker = ?"
FINISH = (
    "UPDATE job SET status = ?, ending = ?, completed = ?, updated = ?, trail = ?, "
    "retry_count = ?, prune_at = ?, cause = ?, worker = NULL, due = NULL, position = NULL, "
    "cancelling = 0 "
    "WHERE seq IN (SELECT value FROM json_each(?))"
)
POSTPONE = (
    "UPDATE job SET status = ?, due = ?, execute_at = ?, updated = ?, trail = ?, "
    "retry_count = ?, worker = NULL, cancelling = 0 WHERE seq = ?"
)
RELEASE = (
    "UPDATE job SET status = 'pending', position = ?, updated = ?, trail = ?, retry_count = ?, "
    "worker = NULL, cancelling = 0 WHERE seq = ?"
)
FORGET = "DELETE FROM job WHERE seq = ?"
_ADDED = (
    "DO UPDATE SET succeeded = succeeded + excluded.succeeded, failed = failed + excluded.failed, "
    "retried = retried + excluded.retried, duration_ms = duration_ms + excluded.duration_ms, "
    "wait_ms = wait_ms + excluded.wait_ms"
)
_COUNTED = "succeeded, failed, retried, duration_ms, wait_ms"
COUNT = f"INSERT INTO counter (queue, {_COUNTED}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (queue) {_ADDED}"


def _count_in(table: str) -> str:
    return (
        f"INSERT INTO {table} (begin, queue, job_type, {_COUNTED}) "
        f"VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (begin, queue, job_type) {_ADDED}"
    )


COUNT_MINUTE, COUNT_HOUR = _count_in("minutes"), _count_in("hours")
COUNTERS = f"SELECT queue, {_COUNTED} FROM counter"


def _series(table: str, name: str) -> str:
    return (
        f"SELECT begin, {name}, sum(succeeded), sum(failed), sum(retried), sum(duration_ms), "
        f"sum(wait_ms) FROM {table} WHERE begin >= ?1 AND (?2 IS NULL OR queue = ?2) "
        f"AND (?3 IS NULL OR job_type = ?3) GROUP BY begin, {name} ORDER BY begin, {name}"
    )


SERIES = {
    (hourly, name): _series("hours" if hourly else "minutes", name)
    for hourly in (False, True)
    for name in ("queue", "job_type")
}
FORGET_MINUTES = "DELETE FROM minutes WHERE begin < ?"
FORGET_HOURS = "DELETE FROM hours WHERE begin < ?"
BEAT = (
    "INSERT INTO worker (worker, expires, info) VALUES (?, ?, ?) "
    "ON CONFLICT (worker) DO UPDATE SET expires = excluded.expires, info = excluded.info"
)
ORDER = "SELECT order_id, word FROM worker WHERE worker = ?"
ORDER_OF_HEIR = (
    "UPDATE worker SET (order_id, word) = (old.order_id, old.word) "
    "FROM (SELECT order_id, word FROM worker WHERE worker = ?) AS old "
    "WHERE worker = ? AND old.order_id IS NOT NULL"
)
BEATING = "SELECT worker, order_id FROM worker WHERE expires > ? AND info <> x'' ORDER BY worker"
INSTRUCT = "UPDATE worker SET order_id = ?, word = ? WHERE worker = ?"
REPORT = (
    "UPDATE job SET progress = ? WHERE id = ? AND token = ? AND status = 'running' RETURNING seq"
)

# Duties any worker may carry out

CRASH = "UPDATE job SET crashes = crashes + 1 WHERE seq = ?"
LAPSED = "SELECT worker FROM worker WHERE expires <= ? ORDER BY expires, worker"
LATEST_HELD = "SELECT seq FROM job WHERE worker = ? ORDER BY seq DESC LIMIT ?"
PRUNE = (
    "DELETE FROM job WHERE seq IN (SELECT seq FROM job WHERE prune_at IS NOT NULL "
    "AND prune_at <= ? ORDER BY prune_at LIMIT ?) RETURNING seq"
)

STRETCH = "SELECT seq FROM job WHERE seq >= ? ORDER BY seq LIMIT ?"

# What operators ask

RETRY = (
    "UPDATE job SET status = 'pending', retry_count = 0, crashes = 0, ending = '', "
    "execute_at = ?, completed = NULL, prune_at = NULL, cause = NULL, position = ?, due = ?, "
    "updated = ? "
    "WHERE seq = ?"
)
STOP = "UPDATE job SET cancelling = 1 WHERE seq = ?"
READY_IN = (
    "SELECT seq FROM job WHERE queue = ? AND position IS NOT NULL "
    "ORDER BY priority, position LIMIT ?"
)
DUE_IN = "SELECT seq FROM job WHERE due IS NOT NULL AND queue = ? ORDER BY due, seq LIMIT ?"
ACT = "SELECT undo_until, undone, what, target FROM act WHERE id = ?"
LOG = (
    "INSERT INTO act (id, at, actor, what, target, count, undo_until) VALUES "
    "(?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET count = count + excluded.count, "
    "undo_until = CASE WHEN excluded.undo_until IS NULL THEN NULL ELSE undo_until END "
    "RETURNING undo_until"
)
FORGET_ACTS = "DELETE FROM act WHERE id IN (SELECT id FROM act ORDER BY id DESC LIMIT -1 OFFSET ?)"
PUT_ASIDE = "INSERT INTO aside (act, until, record, cause, gone) VALUES (?, ?, ?, ?, ?)"
ASIDES = "SELECT place, record, cause, gone FROM aside WHERE act = ? ORDER BY place LIMIT ?"
AUDIT = (
    "SELECT id, at, actor, what, target, count, undo_until, undone FROM act "
    "WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2"
)
EDIT = "UPDATE job SET payload = ?, trail = ?, updated = ? WHERE seq = ?"
SAVE = (
    "INSERT INTO job (id, job_type, queue, priority, payload, created, updated, status, due, "
    "execute_at, started, completed, worker, token, retry_count, crashes, cancelling, ending, "
    "trail, progress, prune_at, position, cause) VALUES "
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
AMEND = (
    "UPDATE job SET payload = ?, trail = ?, progress = ?, started = ?, updated = ? WHERE seq = ?"
)

# What one can look at

BY_ID_WITH_CAUSE = f"SELECT {COLUMNS}, cause FROM job WHERE id = ?"
BY_ID = f"SELECT {COLUMNS} FROM job WHERE id = ?"
PEEK = f"""
SELECT {COLUMNS} FROM job WHERE seq IN (
    SELECT seq FROM job WHERE queue = ? AND position IS NOT NULL
    ORDER BY priority, position LIMIT ?
)
ORDER BY priority, position
"""
HISTORY = (
    f"SELECT {COLUMNS} FROM job WHERE job_type = ? AND completed IS NOT NULL "
    "ORDER BY completed DESC, seq DESC LIMIT ?"
)
DEAD_LETTERS = (
    f"SELECT {COLUMNS} FROM job WHERE ending IN ('exhaust', 'crash', 'quarantine') "
    "AND (?1 IS NULL OR queue = ?1) AND (?2 IS NULL OR job_type = ?2) "
    "ORDER BY completed DESC, seq DESC LIMIT ?3"
)
GROUPS = """
SELECT cause, job_type, queue, count(*), min(completed), max(completed)
FROM job
WHERE cause IS NOT NULL AND completed >= ?1 AND (?2 IS NULL OR queue = ?2)
    AND (?3 IS NULL OR job_type = ?3) AND (?5 IS NULL OR cause = ?5)
GROUP BY cause, queue, job_type ORDER BY max(completed) DESC LIMIT ?4
"""
LATEST_MEMBER = (
    "SELECT seq, id FROM job WHERE cause = ?1 AND cause IS NOT NULL AND completed = ?2 "
    "AND queue = ?3 AND job_type = ?4 ORDER BY seq DESC LIMIT 1"
)
MEMBERS = (
    "SELECT id FROM job WHERE cause = ?1 AND cause IS NOT NULL AND completed <= ?2 "
    "AND (?3 IS NULL OR queue = ?3) ORDER BY completed, seq LIMIT ?4"
)
AHEAD = """
SELECT count(*) FROM (
    SELECT 1 FROM job WHERE queue = ?1 AND position IS NOT NULL AND (priority, position) < (
        ?2, (SELECT position FROM job WHERE id = ?3)
    )
    LIMIT ?4
)
"""
ALIVE = "SELECT worker, info, expires FROM worker WHERE expires > ? ORDER BY worker LIMIT ?"
GLIMPSES = "SELECT id, job_type, queue, started FROM job WHERE worker = ? ORDER BY id LIMIT ?"
READY_COUNTS = "SELECT queue, count(*) FROM job WHERE position IS NOT NULL GROUP BY queue"
DUE_COUNTS = "SELECT queue, count(*) FROM job WHERE due IS NOT NULL GROUP BY queue"
RUNNING_COUNTS = "SELECT queue, count(*) FROM job WHERE worker IS NOT NULL GROUP BY queue"
OLDEST = """
SELECT job.queue, min(job.updated)
FROM (
    SELECT queue, priority, min(position) AS place FROM job
    WHERE position IS NOT NULL AND (?1 IS NULL OR queue = ?1) GROUP BY queue, priority
) AS head
JOIN job ON job.queue = head.queue AND job.priority = head.priority
    AND job.position = head.place AND job.position IS NOT NULL
GROUP BY job.queue
"""
READY_COUNT = "SELECT queue, count(*) FROM job WHERE position IS NOT NULL AND queue = ?"
DUE_COUNT = "SELECT queue, count(*) FROM job WHERE due IS NOT NULL AND queue = ?"
RUNNING_COUNT = "SELECT queue, count(*) FROM job WHERE worker IS NOT NULL AND queue = ?"

STRETCHES: dict[str | None, str] = {
    None: "SELECT seq FROM job WHERE seq <= ?1 ORDER BY seq DESC LIMIT ?2",
    "uncommon": (
        "SELECT seq FROM job WHERE status IN ('failed', 'cancelled', 'retrying') "
        "AND status = ?3 AND seq <= ?1 ORDER BY seq DESC LIMIT ?2"
    ),
    "running": (
        "SELECT seq FROM job INDEXED BY flight "
        "WHERE worker IS NOT NULL AND seq <= ?1 ORDER BY seq DESC LIMIT ?2"
    ),
}
"""The jobs one call of a search looks at, newest first: all, or those of a status with an index.

Left to itself SQLite would look for the few that run by reading the table from its end."""
