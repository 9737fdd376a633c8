-- Charts of numbers of scripts' results, and dashboards, which are the charts of one label.

CREATE TABLE charts (
    key        TEXT   NOT NULL PRIMARY KEY,           -- the id in lower case
    id         TEXT   NOT NULL,                       -- as its owner writes it
    title      TEXT   NOT NULL,
    labels     TEXT   NOT NULL,                       -- JSON: words
    lines      TEXT   NOT NULL,                       -- JSON: script, path, agg, label
    since      TEXT   NOT NULL,                       -- so long ago, or an instant
    bucket     TEXT,                                  -- the width of a slot, or auto
    revision   BIGINT NOT NULL,                       -- counted up with every change
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT
);
