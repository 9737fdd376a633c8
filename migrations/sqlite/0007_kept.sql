-- What lasts beyond a run: its files, and the state of its script.

CREATE TABLE states (
    script     TEXT   NOT NULL PRIMARY KEY REFERENCES scripts (key) ON DELETE CASCADE,
    value      TEXT   NOT NULL,                         -- a JSON object
    revision   BIGINT NOT NULL,                         -- counted up with every change: a run writes what it has read only
    run        TEXT,                                    -- the run that wrote it; none: a request
    updated_at BIGINT NOT NULL
);

CREATE TABLE run_files (
    run   TEXT   NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    path  TEXT   NOT NULL,                              -- below /output
    bytes BIGINT NOT NULL,
    type  TEXT   NOT NULL,                              -- as its content looks
    blob  TEXT   NOT NULL,
    PRIMARY KEY (run, path)
);
ALTER TABLE runs ADD COLUMN files BIGINT NOT NULL DEFAULT 0;            -- how many
ALTER TABLE runs ADD COLUMN files_bytes BIGINT NOT NULL DEFAULT 0;
