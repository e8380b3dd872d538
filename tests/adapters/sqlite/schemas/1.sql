-- The store's tables, schema version 1.
--
-- A job is one row. Where it stands is told by one of three columns, each with an index of only
-- the rows that have it: `position` (ready: its place in the lane of its queue and priority, any
-- integer, lowest first), `due` (waits for that instant), `worker` (runs). Instants are
-- milliseconds since the epoch by the store's clock. STRICT keeps other types out; what a value
-- may be is the plans' to see to, since a CHECK costs every job a fifth of its insert.
--
-- What belongs here: tables and indexes. What does not: statements (statements.py), PRAGMAs and
-- changes from one version to the next (opening.py).

CREATE TABLE job (
    seq         INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL UNIQUE,
    job_type    TEXT    NOT NULL,
    queue       TEXT    NOT NULL,
    priority    INTEGER NOT NULL,
    payload     BLOB    NOT NULL,
    created     INTEGER NOT NULL,
    updated     INTEGER NOT NULL,
    status      TEXT    NOT NULL DEFAULT 'pending',
    due         INTEGER,
    execute_at  INTEGER,
    started     INTEGER,
    completed   INTEGER,
    worker      TEXT,
    token       INTEGER NOT NULL DEFAULT 0,
    retry_count INTEGER NOT NULL DEFAULT 0,
    crashes     INTEGER NOT NULL DEFAULT 0,
    cancelling  INTEGER NOT NULL DEFAULT 0,
    ending      TEXT    NOT NULL DEFAULT '',
    trail       BLOB    NOT NULL DEFAULT x'',
    progress    BLOB    NOT NULL DEFAULT x'',
    prune_at    INTEGER,
    position    INTEGER
) STRICT;

CREATE INDEX ready ON job (queue, priority, position) WHERE position IS NOT NULL;
CREATE INDEX due ON job (due, seq, queue, priority) WHERE due IS NOT NULL;
CREATE INDEX flight ON job (worker, cancelling, seq, id) WHERE worker IS NOT NULL;
CREATE INDEX prune ON job (prune_at) WHERE prune_at IS NOT NULL;
CREATE INDEX history ON job (job_type, completed) WHERE completed IS NOT NULL;
CREATE INDEX dead ON job (completed, seq, queue, job_type)
    WHERE ending IN ('exhaust', 'crash', 'quarantine');
CREATE INDEX uncommon ON job (status, seq) WHERE status IN ('failed', 'cancelled', 'retrying');

CREATE TABLE worker (
    worker  TEXT    NOT NULL PRIMARY KEY,
    expires INTEGER NOT NULL,
    info    BLOB    NOT NULL DEFAULT x''
) STRICT, WITHOUT ROWID;

CREATE TABLE counter (
    queue       TEXT    NOT NULL PRIMARY KEY,
    succeeded   INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    retried     INTEGER NOT NULL,
    duration_ms REAL    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE paused (
    queue TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE schedule (
    name     TEXT    NOT NULL PRIMARY KEY,
    job_type TEXT    NOT NULL,
    queue    TEXT    NOT NULL,
    priority INTEGER NOT NULL,
    payload  BLOB    NOT NULL,
    next_at  INTEGER NOT NULL,
    cron     TEXT,
    every_ms INTEGER,
    timezone TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX tick ON schedule (next_at);

-- The latest moment the store has told, and the machine's running time at that moment.
CREATE TABLE clock (
    one  INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    mark INTEGER NOT NULL,
    mono INTEGER NOT NULL
) STRICT;

INSERT INTO clock (one, mark, mono) VALUES (1, 0, 0);
