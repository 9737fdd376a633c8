-- Values over time by when their runs were due, source that was sent along by its name, and chains that follow what was missed.

CREATE INDEX runs_by_due ON runs (script, coalesce(fire_time, run_at), id) WHERE status = 'succeeded' AND script IS NOT NULL;

-- Of source that was sent along: its name in lower case.
ALTER TABLE runs ADD COLUMN name_key TEXT;
UPDATE runs SET name_key = lower(name) WHERE script IS NULL;
CREATE INDEX runs_by_name ON runs (name_key, id) WHERE name_key IS NOT NULL;

-- SQLite changes no CHECK: the table is made again, with one outcome more.
CREATE TABLE chains_with_missed (
    schedule TEXT NOT NULL REFERENCES schedules (key) ON DELETE CASCADE,
    upstream TEXT NOT NULL,                             -- script:KEY, label:KEY=VALUE, or *
    outcome  TEXT NOT NULL CHECK (outcome IN ('succeeded', 'failed', 'any', 'missed')),
    PRIMARY KEY (schedule, upstream, outcome)
);
INSERT INTO chains_with_missed SELECT schedule, upstream, outcome FROM chains;
DROP TABLE chains;
ALTER TABLE chains_with_missed RENAME TO chains;
CREATE INDEX chains_by_upstream ON chains (upstream);

-- Runs that were asked for and whose time is ahead have a bound of their own.
CREATE INDEX queue_bounded_ahead ON queue (bounded) WHERE bounded = 1 AND state = 'waiting';

-- 1: a schedule of a script's own that was changed by request since the script's last upload.
ALTER TABLE schedules ADD COLUMN edited BIGINT NOT NULL DEFAULT 0;
