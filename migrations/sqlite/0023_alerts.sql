-- Alerts: conditions that are watched, and the state of each for everything that it is about.

CREATE TABLE alerts (
    key         TEXT   NOT NULL PRIMARY KEY,            -- the id in lower case
    id          TEXT   NOT NULL,                        -- as its owner writes it
    about       TEXT   NOT NULL,                        -- script:KEY, schedule:KEY, label:KEY=VALUE, or *
    named       TEXT,                                   -- the script or the schedule, as its owner writes it
    condition   TEXT   NOT NULL,                        -- as it prints
    notify      TEXT   NOT NULL,                        -- JSON: names of channels
    repeat      BIGINT,                                 -- after how many microseconds it says again that it fires; none: never
    recovered   BIGINT NOT NULL,                        -- 1: it says that it is over
    origin      TEXT   NOT NULL CHECK (origin IN ('request', 'metadata')),
    script      TEXT,                                   -- whose block made it; it may be gone by now
    unstarted   BIGINT NOT NULL,                        -- 1: fire times that are missed or skipped make it fire
    muted_until BIGINT,
    look_at     BIGINT,                                 -- when time can have made it true; none: only what happens can
    revision    BIGINT NOT NULL,                        -- counted up with every change
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    created_by  TEXT
);
CREATE INDEX alerts_by_about ON alerts (about);
CREATE INDEX alerts_by_look ON alerts (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX alerts_by_script ON alerts (script) WHERE script IS NOT NULL;
CREATE INDEX alerts_unstarted ON alerts (about) WHERE unstarted = 1;

CREATE TABLE alert_states (
    alert      TEXT   NOT NULL,                         -- its key; no reference: an alert that is deleted must not refuse the end of a run
    subject    TEXT   NOT NULL,                         -- key of the script, or of the schedule when the alert is about one
    since      BIGINT,                                  -- since when it fires; none: it is ok
    told_at    BIGINT,                                  -- when that was last said
    speak_at   BIGINT,                                  -- when it is to be said again
    run        TEXT,                                    -- the run that made it fire
    memory     TEXT   NOT NULL,                         -- JSON: what it remembers of earlier runs
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (alert, subject)
);
CREATE INDEX alert_states_firing ON alert_states (alert, since) WHERE since IS NOT NULL;
CREATE INDEX alert_states_by_time ON alert_states (speak_at) WHERE speak_at IS NOT NULL;

-- Until when no alert says anything: a maintenance window.
ALTER TABLE scheduler ADD COLUMN muted_until BIGINT;

-- The alert that an event is about.
ALTER TABLE events ADD COLUMN alert TEXT;
