-- Scripts, runs, the queue and what belongs to them. See ../README.md for types and rules.

CREATE TABLE scripts (
    key        TEXT COLLATE "C"   NOT NULL PRIMARY KEY,             -- the name in lower case: names are unique without regard to it
    name       TEXT COLLATE "C"   NOT NULL,                         -- as its owner writes it
    settings   TEXT COLLATE "C"   NOT NULL,                         -- JSON: what was set by request, before what the source says
    version    BIGINT NOT NULL,                         -- the version in force
    latest     BIGINT NOT NULL,                         -- the last number given out; numbers are never used again
    link       TEXT COLLATE "C",                                    -- where it is read from, when it is linked
    link_state TEXT COLLATE "C",                                    -- JSON: what was found there, and when
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE versions (
    script     TEXT COLLATE "C"   NOT NULL REFERENCES scripts (key) ON DELETE CASCADE,
    number     BIGINT NOT NULL,
    sha256     TEXT COLLATE "C"   NOT NULL,                         -- of the source, or of the bundle as a canonical archive
    blob       TEXT COLLATE "C"   NOT NULL,                         -- where that is
    main       TEXT COLLATE "C"   NOT NULL,                         -- the source's path in it
    size       BIGINT NOT NULL,                         -- bytes of all files
    table_json TEXT COLLATE "C"   NOT NULL,                         -- what the source says about itself (PEP 723)
    facts      TEXT COLLATE "C"   NOT NULL,                         -- JSON: what the check found: mode, signature, warnings
    code       TEXT COLLATE "C",                                    -- the blob of its code object
    code_build TEXT COLLATE "C",                                    -- the interpreter that made it
    created_at BIGINT NOT NULL,
    PRIMARY KEY (script, number)
);
CREATE INDEX versions_by_content ON versions (script, sha256);

CREATE TABLE runs (
    id             TEXT COLLATE "C"   NOT NULL PRIMARY KEY,         -- UUIDv7: order of making
    script         TEXT COLLATE "C",                                -- key of its script; none for source sent along
    name           TEXT COLLATE "C"   NOT NULL,
    version        BIGINT,
    entry          TEXT COLLATE "C",
    mode           TEXT COLLATE "C",
    schedule       TEXT COLLATE "C",
    cause          TEXT COLLATE "C"   NOT NULL CHECK (cause IN ('fire', 'api', 'manual', 'chain', 'backfill', 'retry')),
    fire_time      BIGINT,
    status         TEXT COLLATE "C"   NOT NULL CHECK (status IN ('scheduled', 'queued', 'running', 'succeeded', 'failed', 'timed_out',
                       'out_of_fuel', 'out_of_memory', 'crashed', 'cancelled', 'abandoned', 'missed', 'skipped')),
    reason         TEXT COLLATE "C",
    attempt        BIGINT NOT NULL DEFAULT 0,           -- the number of the last attempt that began
    lost           BIGINT NOT NULL DEFAULT 0,           -- attempts that were lost with a node or a sandbox process
    priority       BIGINT NOT NULL DEFAULT 0,
    created_at     BIGINT NOT NULL,
    run_at         BIGINT NOT NULL,                     -- when it is to begin, at the earliest
    started_at     BIGINT,                              -- when its last attempt began
    finished_at    BIGINT,
    spec           TEXT COLLATE "C"   NOT NULL,                     -- JSON: what is fixed when the run is made
    source         BYTEA,                                -- source sent along, when it is small
    args           TEXT COLLATE "C",                                -- small arguments; larger ones are a blob
    args_blob      TEXT COLLATE "C",
    result         TEXT COLLATE "C",
    result_blob    TEXT COLLATE "C",
    result_bytes   BIGINT,
    result_kind    TEXT COLLATE "C",
    error          TEXT COLLATE "C",
    error_text     TEXT COLLATE "C",                                -- type and message, in lower case, to search in
    notes          TEXT COLLATE "C",
    fuel           BIGINT,
    memory         BIGINT,                              -- most bytes in use
    wall           BIGINT,                              -- microseconds
    labels         TEXT COLLATE "C"   NOT NULL DEFAULT '{}',
    stdout         BYTEA,
    stdout_blob    TEXT COLLATE "C",
    stdout_bytes   BIGINT NOT NULL DEFAULT 0,           -- bytes kept
    stdout_dropped BIGINT NOT NULL DEFAULT 0,
    stderr         BYTEA,
    stderr_blob    TEXT COLLATE "C",
    stderr_bytes   BIGINT NOT NULL DEFAULT 0,
    stderr_dropped BIGINT NOT NULL DEFAULT 0,
    retry_of       TEXT COLLATE "C",
    created_by     TEXT COLLATE "C"                                 -- the token's id
);
CREATE INDEX runs_by_script ON runs (script, id);
CREATE INDEX runs_by_status ON runs (status, id);
CREATE INDEX runs_by_cause ON runs (cause, id);
CREATE INDEX runs_by_schedule ON runs (schedule, id) WHERE schedule IS NOT NULL;
CREATE INDEX runs_by_time ON runs (created_at, status);
CREATE UNIQUE INDEX runs_one_per_fire ON runs (schedule, fire_time) WHERE cause = 'fire';

CREATE TABLE run_labels (
    label TEXT COLLATE "C" NOT NULL,                                -- key=value
    run   TEXT COLLATE "C" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    PRIMARY KEY (label, run)
);
CREATE INDEX run_labels_by_run ON run_labels (run);

-- Pointers to the runs that are not final.
CREATE TABLE queue (
    run      TEXT COLLATE "C"   NOT NULL PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    state    TEXT COLLATE "C"   NOT NULL CHECK (state IN ('waiting', 'held', 'ready', 'claimed')),
    lane     TEXT COLLATE "C"   NOT NULL,                           -- whose turn it is: the script's key, or the token's id
    priority BIGINT NOT NULL,
    turn     BIGINT NOT NULL,                           -- how many of its lane were there before it
    run_at   BIGINT NOT NULL,
    bounded  BIGINT NOT NULL,                           -- 1 when it counts towards the bound of the queue
    concurrency BIGINT,                                 -- how many of its lane may run at once; none: any number
    node     TEXT COLLATE "C",
    token    TEXT COLLATE "C",                                      -- the attempt's: only its holder records
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
    run         TEXT COLLATE "C"   NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number      BIGINT NOT NULL,
    node        TEXT COLLATE "C"   NOT NULL,
    token       TEXT COLLATE "C"   NOT NULL,
    started_at  BIGINT NOT NULL,
    finished_at BIGINT,
    outcome     TEXT COLLATE "C",                                   -- an outcome, or lost, or handed_back
    error       TEXT COLLATE "C",
    PRIMARY KEY (run, number)
);

-- What running scripts have written so far; joined into the run's row or a blob at its end.
CREATE TABLE output (
    run    TEXT COLLATE "C"   NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    stream TEXT COLLATE "C"   NOT NULL CHECK (stream IN ('stdout', 'stderr')),
    start  BIGINT NOT NULL,
    bytes  BYTEA   NOT NULL,
    PRIMARY KEY (run, stream, start)
);

CREATE TABLE nodes (
    id         TEXT COLLATE "C"   NOT NULL PRIMARY KEY,
    name       TEXT COLLATE "C"   NOT NULL,
    program    TEXT COLLATE "C"   NOT NULL,
    roles      TEXT COLLATE "C"   NOT NULL,
    beat       BIGINT NOT NULL,                         -- a counter; who sees it stand still may take over
    started_at BIGINT NOT NULL
);

CREATE TABLE blobs (
    key          TEXT COLLATE "C"   NOT NULL PRIMARY KEY,
    size         BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    condemned_at BIGINT                                 -- when nothing was found to refer to it
);
CREATE INDEX blobs_condemned ON blobs (condemned_at) WHERE condemned_at IS NOT NULL;

CREATE TABLE blob_references (
    blob  TEXT COLLATE "C" NOT NULL REFERENCES blobs (key),
    kind  TEXT COLLATE "C" NOT NULL CHECK (kind IN ('version', 'run', 'code')),
    owner TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (blob, kind, owner)
);
CREATE INDEX blob_references_by_owner ON blob_references (kind, owner);

CREATE TABLE tokens (
    id           TEXT COLLATE "C"   NOT NULL PRIMARY KEY,
    name         TEXT COLLATE "C"   NOT NULL,
    hash         TEXT COLLATE "C"   NOT NULL UNIQUE,                -- SHA-256 of the token: it is random, so no salt is needed
    scopes       TEXT COLLATE "C"   NOT NULL,
    scripts      TEXT COLLATE "C",                                  -- JSON: only these scripts
    labels       TEXT COLLATE "C",                                  -- JSON: only scripts with one of these labels
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT
);

-- What somebody with the right allowed a script beyond the default.
CREATE TABLE grants (
    script     TEXT COLLATE "C"   NOT NULL REFERENCES scripts (key) ON DELETE CASCADE,
    kind       TEXT COLLATE "C"   NOT NULL CHECK (kind IN ('limit', 'host', 'secret')),
    name       TEXT COLLATE "C"   NOT NULL,
    value      TEXT COLLATE "C"   NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT COLLATE "C",
    PRIMARY KEY (script, kind, name)
);

CREATE TABLE idempotency (
    key        TEXT COLLATE "C"   NOT NULL PRIMARY KEY,             -- token, endpoint and the client's key
    body       TEXT COLLATE "C"   NOT NULL,                         -- SHA-256 of the request
    run        TEXT COLLATE "C"   NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX idempotency_by_time ON idempotency (created_at);

CREATE FUNCTION runs_steps() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status NOT IN ('scheduled', 'queued', 'running', 'missed', 'skipped') THEN
            RAISE EXCEPTION 'a run cannot begin with this status' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NOT (
        (OLD.status = 'scheduled' AND NEW.status IN ('queued', 'cancelled', 'skipped', 'missed'))
        OR (OLD.status = 'queued' AND NEW.status IN ('running', 'cancelled', 'skipped', 'missed'))
        OR (OLD.status = 'running' AND NEW.status IN ('queued', 'scheduled', 'succeeded', 'failed', 'timed_out',
            'out_of_fuel', 'out_of_memory', 'crashed', 'cancelled', 'abandoned'))
    ) THEN
        RAISE EXCEPTION 'a run cannot take this step' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER runs_begin BEFORE INSERT ON runs FOR EACH ROW EXECUTE FUNCTION runs_steps();
CREATE TRIGGER runs_step BEFORE UPDATE OF status ON runs FOR EACH ROW WHEN (OLD.status <> NEW.status)
EXECUTE FUNCTION runs_steps();
