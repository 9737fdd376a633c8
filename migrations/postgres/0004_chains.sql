-- Chains: schedules that hang on the ends of runs.

CREATE TABLE chains (
    schedule TEXT COLLATE "C" NOT NULL REFERENCES schedules (key) ON DELETE CASCADE,
    upstream TEXT COLLATE "C" NOT NULL,                             -- script:KEY, label:KEY=VALUE, or *
    outcome  TEXT COLLATE "C" NOT NULL CHECK (outcome IN ('succeeded', 'failed', 'any')),
    PRIMARY KEY (schedule, upstream, outcome)
);
CREATE INDEX chains_by_upstream ON chains (upstream);

-- Ends that have made a schedule due, until a scheduler has followed them.
CREATE TABLE chains_due (
    schedule TEXT COLLATE "C" NOT NULL REFERENCES schedules (key) ON DELETE CASCADE,
    run      TEXT COLLATE "C" NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    PRIMARY KEY (schedule, run)
);

ALTER TABLE runs ADD COLUMN upstream TEXT COLLATE "C";              -- the run whose end made it due
CREATE UNIQUE INDEX runs_one_per_chain ON runs (schedule, upstream) WHERE cause = 'chain';
