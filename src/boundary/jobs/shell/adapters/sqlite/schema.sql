-- The store's tables, schema version 3.
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
    position    INTEGER,
    cause       TEXT
) STRICT;

CREATE INDEX ready ON job (queue, priority, position) WHERE position IS NOT NULL;
CREATE INDEX due ON job (due, seq, queue, priority) WHERE due IS NOT NULL;
CREATE INDEX flight ON job (worker, cancelling, seq, id) WHERE worker IS NOT NULL;
CREATE INDEX prune ON job (prune_at) WHERE prune_at IS NOT NULL;
CREATE INDEX history ON job (job_type, completed) WHERE completed IS NOT NULL;
CREATE INDEX dead ON job (completed, seq, queue, job_type)
    WHERE ending IN ('exhaust', 'crash', 'quarantine');
CREATE INDEX causes ON job (cause, completed, seq, queue, job_type, id) WHERE cause IS NOT NULL;
CREATE INDEX uncommon ON job (status, seq) WHERE status IN ('failed', 'cancelled', 'retrying');

CREATE TABLE worker (
    worker  TEXT    NOT NULL PRIMARY KEY,
    expires INTEGER NOT NULL,
    info    BLOB    NOT NULL DEFAULT x'',
    -- The latest order given to it.
    order_id BLOB,
    word     TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE counter (
    queue       TEXT    NOT NULL PRIMARY KEY,
    succeeded   INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    retried     INTEGER NOT NULL,
    duration_ms REAL    NOT NULL,
    wait_ms     REAL    NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- What was counted in each minute of the last day, and in each hour of the last 30 days.
CREATE TABLE minutes (
    begin       INTEGER NOT NULL,
    queue       TEXT    NOT NULL,
    job_type    TEXT    NOT NULL,
    succeeded   INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    retried     INTEGER NOT NULL,
    duration_ms REAL    NOT NULL,
    wait_ms     REAL    NOT NULL,
    PRIMARY KEY (begin, queue, job_type)
) STRICT, WITHOUT ROWID;

CREATE TABLE hours (
    begin       INTEGER NOT NULL,
    queue       TEXT    NOT NULL,
    job_type    TEXT    NOT NULL,
    succeeded   INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    retried     INTEGER NOT NULL,
    duration_ms REAL    NOT NULL,
    wait_ms     REAL    NOT NULL,
    PRIMARY KEY (begin, queue, job_type)
) STRICT, WITHOUT ROWID;

CREATE TABLE paused (
    queue TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- One without a next tick is paused.
CREATE TABLE schedule (
    name        TEXT    NOT NULL PRIMARY KEY,
    job_type    TEXT    NOT NULL,
    queue       TEXT    NOT NULL,
    priority    INTEGER NOT NULL,
    payload     BLOB    NOT NULL,
    next_at     INTEGER,
    cron        TEXT,
    every_ms    INTEGER,
    timezone    TEXT    NOT NULL,
    misfire     TEXT    NOT NULL DEFAULT 'once',
    misfire_cap INTEGER NOT NULL DEFAULT 100,
    declared    BLOB    NOT NULL DEFAULT x'',
    fired_at    INTEGER,
    last_job    BLOB
) STRICT, WITHOUT ROWID;

CREATE INDEX tick ON schedule (next_at);

-- What operators did, and jobs as they were before, for as long as it can be undone.
CREATE TABLE act (
    id         BLOB    NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    actor      TEXT    NOT NULL,
    what       TEXT    NOT NULL,
    target     TEXT    NOT NULL,
    count      INTEGER NOT NULL,
    undo_until INTEGER,
    undone     INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE aside (
    place  INTEGER PRIMARY KEY,
    act    BLOB    NOT NULL,
    until  INTEGER NOT NULL,
    record BLOB    NOT NULL,
    cause  TEXT    NOT NULL,
    gone   INTEGER NOT NULL
) STRICT;

CREATE INDEX kept ON aside (act, place);
CREATE INDEX aside_until ON aside (until);

-- The latest moment the store has told, and the machine's running time at that moment.
CREATE TABLE clock (
    one  INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    mark INTEGER NOT NULL,
    mono INTEGER NOT NULL
) STRICT;

INSERT INTO clock (one, mark, mono) VALUES (1, 0, 0);
