-- Scripts, runs, the queue and what belongs to them. See ../README.md for types and rules.

CREATE TABLE scripts (
    key        TEXT   NOT NULL PRIMARY KEY,             -- the name in lower case: names are unique without regard to it
    name       TEXT   NOT NULL,                         -- as its owner writes it
    settings   TEXT   NOT NULL,                         -- JSON: what was set by request, before what the source says
    version    BIGINT NOT NULL,                         -- the version in force
    latest     BIGINT NOT NULL,                         -- the last number given out; numbers are never used again
    link       TEXT,                                    -- where it is read from, when it is linked
    link_state TEXT,                                    -- JSON: what was found there, and when
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE versions (
    script     TEXT   NOT NULL REFERENCES scripts (key) ON DELETE CASCADE,
    number     BIGINT NOT NULL,
    sha256     TEXT   NOT NULL,                         -- of the source, or of the bundle as a canonical archive
    blob       TEXT   NOT NULL,                         -- where that is
    main       TEXT   NOT NULL,                         -- the source's path in it
    size       BIGINT NOT NULL,                         -- bytes of all files
    table_json TEXT   NOT NULL,                         -- what the source says about itself (PEP 723)
    facts      TEXT   NOT NULL,                         -- JSON: what the check found: mode, signature, warnings
    code       TEXT,                                    -- the blob of its code object
    code_build TEXT,                                    -- the interpreter that made it
    created_at BIGINT NOT NULL,
    PRIMARY KEY (script, number)
);
CREATE INDEX versions_by_content ON versions (script, sha256);

CREATE TABLE runs (
    id             TEXT   NOT NULL PRIMARY KEY,         -- UUIDv7: order of making
    script         TEXT,                                -- key of its script; none for source sent along
    name           TEXT   NOT NULL,
    version        BIGINT,
    entry          TEXT,
    mode           TEXT,
    schedule       TEXT,
    cause          TEXT   NOT NULL CHECK (cause IN ('fire', 'api', 'manual', 'chain', 'backfill', 'retry')),
    fire_time      BIGINT,
    status         TEXT   NOT NULL CHECK (status IN ('scheduled', 'queued', 'running', 'succeeded', 'failed', 'timed_out',
                       'out_of_fuel', 'out_of_memory', 'crashed', 'cancelled', 'abandoned', 'missed', 'skipped')),
    reason         TEXT,
    attempt        BIGINT NOT NULL DEFAULT 0,           -- the number of the last attempt that began
    lost           BIGINT NOT NULL DEFAULT 0,           -- attempts that were lost with a node or a sandbox process
    priority       BIGINT NOT NULL DEFAULT 0,
    created_at     BIGINT NOT NULL,
    run_at         BIGINT NOT NULL,                     -- when it is to begin, at the earliest
    started_at     BIGINT,                              -- when its last attempt began
    finished_at    BIGINT,
    spec           TEXT   NOT NULL,                     -- JSON: what is fixed when the run is made
    source         BLOB,                                -- source sent along, when it is small
    args           TEXT,                                -- small arguments; larger ones are a blob
    args_blob      TEXT,
    result         TEXT,
    result_blob    TEXT,
    result_bytes   BIGINT,
    result_kind    TEXT,
    error          TEXT,
    error_text     TEXT,                                -- type and message, in lower case, to search in
    notes          TEXT,
    fuel           BIGINT,
    memory         BIGINT,                              -- most bytes in use
    wall           BIGINT,                              -- microseconds
    labels         TEXT   NOT NULL DEFAULT '{}',
    stdout         BLOB,
    stdout_blob    TEXT,
    stdout_bytes   BIGINT NOT NULL DEFAULT 0,           -- bytes kept
    stdout_dropped BIGINT NOT NULL DEFAULT 0,
    stderr         BLOB,
    stderr_blob    TEXT,
    stderr_bytes   BIGINT NOT NULL DEFAULT 0,
    stderr_dropped BIGINT NOT NULL DEFAULT 0,
    retry_of       TEXT,
    created_by     TEXT                                 -- the token's id
);
CREATE INDEX runs_by_script ON runs (script, id);
CREATE INDEX runs_by_status ON runs (status, id);
CREATE INDEX runs_by_cause ON runs (cause, id);
CREATE INDEX runs_by_schedule ON runs (schedule, id) WHERE schedule IS NOT NULL;
CREATE INDEX runs_by_time ON runs (created_at, status);
CREATE UNIQUE INDEX runs_one_per_fire ON runs (schedule, fire_time) WHERE cause = 'fire';

CREATE TABLE run_labels (
    label TEXT NOT NULL,                                -- key=value
    run   TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    PRIMARY KEY (label, run)
);
CREATE INDEX run_labels_by_run ON run_labels (run);

-- Pointers to the runs that are not final.
CREATE TABLE queue (
    run      TEXT   NOT NULL PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    state    TEXT   NOT NULL CHECK (state IN ('waiting', 'held', 'ready', 'claimed')),
    lane     TEXT   NOT NULL,                           -- whose turn it is: the script's key, or the token's id
    priority BIGINT NOT NULL,
    turn     BIGINT NOT NULL,                           -- how many of its lane were there before it
    run_at   BIGINT NOT NULL,
    bounded  BIGINT NOT NULL,                           -- 1 when it counts towards the bound of the queue
    concurrency BIGINT,                                 -- how many of its lane may run at once; none: any number
    node     TEXT,
    token    TEXT,                                      -- the attempt's: only its holder records
    cancel   BIGINT NOT NULL DEFAULT 0,
    CHECK ((state = 'claimed') = (node IS NOT NULL)),
    CHECK ((state = 'claimed') = (token IS NOT NULL))
);
CREATE INDEX queue_ready ON queue (priority DESC, turn, run) WHERE state = 'ready';
CREATE INDEX queue_waiting ON queue (run_at) WHERE state = 'waiting';
CREATE INDEX queue_by_lane ON queue (lane, state, run);
CREATE INDEX queue_by_node ON queue (node) WHERE state = 'claimed';
CREATE INDEX queue_bounded ON queue (bounded) WHERE bounded = 1 AND state IN ('ready', 'held');

CREATE TABLE attempts (
    run         TEXT   NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number      BIGINT NOT NULL,
    node        TEXT   NOT NULL,
    token       TEXT   NOT NULL,
    started_at  BIGINT NOT NULL,
    finished_at BIGINT,
    outcome     TEXT,                                   -- an outcome, or lost, or handed_back
    error       TEXT,
    PRIMARY KEY (run, number)
);

-- What running scripts have written so far; joined into the run's row or a blob at its end.
CREATE TABLE output (
    run    TEXT   NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    stream TEXT   NOT NULL CHECK (stream IN ('stdout', 'stderr')),
    start  BIGINT NOT NULL,
    bytes  BLOB   NOT NULL,
    PRIMARY KEY (run, stream, start)
);

CREATE TABLE nodes (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    program    TEXT   NOT NULL,
    roles      TEXT   NOT NULL,
    beat       BIGINT NOT NULL,                         -- a counter; who sees it stand still may take over
    started_at BIGINT NOT NULL
);

CREATE TABLE blobs (
    key          TEXT   NOT NULL PRIMARY KEY,
    size         BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    condemned_at BIGINT                                 -- when nothing was found to refer to it
);
CREATE INDEX blobs_condemned ON blobs (condemned_at) WHERE condemned_at IS NOT NULL;

CREATE TABLE blob_references (
    blob  TEXT NOT NULL REFERENCES blobs (key),
    kind  TEXT NOT NULL CHECK (kind IN ('version', 'run', 'code')),
    owner TEXT NOT NULL,
    PRIMARY KEY (blob, kind, owner)
);
CREATE INDEX blob_references_by_owner ON blob_references (kind, owner);

CREATE TABLE tokens (
    id           TEXT   NOT NULL PRIMARY KEY,
    name         TEXT   NOT NULL,
    hash         TEXT   NOT NULL UNIQUE,                -- SHA-256 of the token: it is random, so no salt is needed
    scopes       TEXT   NOT NULL,
    scripts      TEXT,                                  -- JSON: only these scripts
    labels       TEXT,                                  -- JSON: only scripts with one of these labels
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT
);

-- What somebody with the right allowed a script beyond the default.
CREATE TABLE grants (
    script     TEXT   NOT NULL REFERENCES scripts (key) ON DELETE CASCADE,
    kind       TEXT   NOT NULL CHECK (kind IN ('limit', 'host', 'secret')),
    name       TEXT   NOT NULL,
    value      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT,
    PRIMARY KEY (script, kind, name)
);

CREATE TABLE idempotency (
    key        TEXT   NOT NULL PRIMARY KEY,             -- token, endpoint and the client's key
    body       TEXT   NOT NULL,                         -- SHA-256 of the request
    run        TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX idempotency_by_time ON idempotency (created_at);

CREATE TRIGGER runs_steps BEFORE UPDATE OF status ON runs
WHEN NOT (
    OLD.status = NEW.status
    OR (OLD.status = 'scheduled' AND NEW.status IN ('queued', 'cancelled', 'skipped', 'missed'))
    OR (OLD.status = 'queued' AND NEW.status IN ('running', 'cancelled', 'skipped', 'missed'))
    OR (OLD.status = 'running' AND NEW.status IN ('queued', 'scheduled', 'succeeded', 'failed', 'timed_out', 'out_of_fuel',
        'out_of_memory', 'crashed', 'cancelled', 'abandoned'))
)
BEGIN
    SELECT RAISE(ABORT, 'a run cannot take this step');
END;

CREATE TRIGGER runs_begin BEFORE INSERT ON runs
WHEN NEW.status NOT IN ('scheduled', 'queued', 'running', 'missed', 'skipped')
BEGIN
    SELECT RAISE(ABORT, 'a run cannot begin with this status');
END;
