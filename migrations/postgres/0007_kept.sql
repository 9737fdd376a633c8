-- What lasts beyond a run: its files, and the state of its script.

CREATE TABLE states (
    script     TEXT COLLATE "C"   NOT NULL PRIMARY KEY REFERENCES scripts (key) ON DELETE CASCADE,
    value      TEXT COLLATE "C"   NOT NULL,                         -- a JSON object
    revision   BIGINT NOT NULL,                         -- counted up with every change: a run writes what it has read only
    run        TEXT COLLATE "C",                                    -- the run that wrote it; none: a request
    updated_at BIGINT NOT NULL
);

CREATE TABLE run_files (
    run   TEXT COLLATE "C"   NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    path  TEXT COLLATE "C"   NOT NULL,                              -- below /output
    bytes BIGINT NOT NULL,
    type  TEXT COLLATE "C"   NOT NULL,                              -- as its content looks
    blob  TEXT COLLATE "C"   NOT NULL,
    PRIMARY KEY (run, path)
);
ALTER TABLE runs ADD COLUMN files BIGINT NOT NULL DEFAULT 0;            -- how many
ALTER TABLE runs ADD COLUMN files_bytes BIGINT NOT NULL DEFAULT 0;
