-- Schedules, and what a run has of the one that made it.

CREATE TABLE schedules (
    key          TEXT COLLATE "C"   NOT NULL PRIMARY KEY,           -- the id in lower case
    id           TEXT COLLATE "C"   NOT NULL,                       -- as its owner writes it
    script       TEXT COLLATE "C"   NOT NULL REFERENCES scripts (key),
    origin       TEXT COLLATE "C"   NOT NULL CHECK (origin IN ('request', 'metadata')),
    settings     TEXT COLLATE "C"   NOT NULL,                       -- JSON: what is started, and the policies that were set
    trigger_json TEXT COLLATE "C"   NOT NULL,                       -- the trigger, complete: zone and start date stand in it
    state        TEXT COLLATE "C"   NOT NULL CHECK (state IN ('active', 'paused', 'finished')),
    reason       TEXT COLLATE "C",                                  -- why it stands so, where nobody asked for it
    revision     BIGINT NOT NULL,                       -- counted up with every change: a decision about an older one is dropped
    cursor       BIGINT NOT NULL,                       -- the last fire time that was decided; never set back but by hand
    next_fire_at BIGINT,                                -- the next fire time
    next_due_at  BIGINT,                                -- the same with its jitter: when it is looked at
    fired        BIGINT NOT NULL DEFAULT 0,             -- fire times that count towards max_runs
    failures     BIGINT NOT NULL DEFAULT 0,             -- runs that failed since the last one that succeeded
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    created_by   TEXT COLLATE "C",
    CHECK (state = 'active' OR next_due_at IS NULL)
);
CREATE INDEX schedules_due ON schedules (next_due_at) WHERE next_due_at IS NOT NULL;
CREATE INDEX schedules_by_script ON schedules (script, key);

-- The whole scheduler: one row.
CREATE TABLE scheduler (
    one        BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    paused     BIGINT NOT NULL,
    floor      BIGINT NOT NULL                          -- fire times at or before it are not looked at: it was resumed then
);
INSERT INTO scheduler (one, paused, floor) VALUES (1, 0, 0);

ALTER TABLE runs ADD COLUMN fire_local TEXT COLLATE "C";            -- the fire time in the schedule's zone, with its offset
ALTER TABLE runs ADD COLUMN fire_until BIGINT;          -- the last of several fire times that share this row
ALTER TABLE runs ADD COLUMN fire_count BIGINT;          -- how many they are
ALTER TABLE runs ADD COLUMN stood_in TEXT COLLATE "C";              -- the run that was made for this fire time too
ALTER TABLE runs ADD COLUMN backfill TEXT COLLATE "C";              -- the backfill it is part of
CREATE UNIQUE INDEX runs_one_per_backfill ON runs (backfill, fire_time) WHERE cause = 'backfill';
CREATE INDEX runs_by_fire_time ON runs (schedule, fire_time) WHERE schedule IS NOT NULL;

-- A second thing that a run may have to wait for, beside its script's limit: as many as may of its schedule or backfill.
ALTER TABLE queue ADD COLUMN gate TEXT COLLATE "C";
ALTER TABLE queue ADD COLUMN gate_most BIGINT;          -- how many at once; none: it does not wait for it
CREATE INDEX queue_by_gate ON queue (gate, state) WHERE gate IS NOT NULL;
