-- The feed: what happened to runs and schedules, in an order that readers may rely on. Written by the schema, so that no
-- path of the program can forget it.

CREATE TABLE events (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,        -- never given out again, also when the newest are deleted
    at        BIGINT NOT NULL,
    type      TEXT   NOT NULL,
    script    TEXT,                                     -- key; none for source sent along
    name      TEXT,                                     -- the script's name
    schedule  TEXT,                                     -- its id
    run       TEXT,
    cause     TEXT,
    fire_time BIGINT,
    reason    TEXT
);

-- What readers have to know of the feed beside its rows: one row.
CREATE TABLE feed (
    one        BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    base       BIGINT NOT NULL,                         -- used on PostgreSQL only
    gone_place BIGINT NOT NULL,                         -- the last event that was deleted
    gone_seq   BIGINT NOT NULL
);
INSERT INTO feed (one, base, gone_place, gone_seq) VALUES (1, 0, 0, 0);

-- When it was last paused or resumed.
ALTER TABLE scheduler ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;

CREATE TRIGGER events_run_ended AFTER UPDATE OF status ON runs
WHEN OLD.status <> NEW.status AND NEW.status NOT IN ('scheduled', 'queued', 'running')
BEGIN
    INSERT INTO events (at, type, script, name, schedule, run, cause, fire_time, reason)
    VALUES (coalesce(NEW.finished_at, NEW.created_at), 'run_' || NEW.status, NEW.script, NEW.name,
        coalesce((SELECT id FROM schedules WHERE key = NEW.schedule), NEW.schedule), NEW.id,
        NEW.cause, NEW.fire_time, NEW.reason);
END;

CREATE TRIGGER events_run_unstarted AFTER INSERT ON runs WHEN NEW.status IN ('missed', 'skipped')
BEGIN
    INSERT INTO events (at, type, script, name, schedule, run, cause, fire_time, reason)
    VALUES (NEW.created_at, 'run_' || NEW.status, NEW.script, NEW.name,
        coalesce((SELECT id FROM schedules WHERE key = NEW.schedule), NEW.schedule), NEW.id, NEW.cause, NEW.fire_time,
        NEW.reason);
END;

CREATE TRIGGER events_schedule_created AFTER INSERT ON schedules
BEGIN
    INSERT INTO events (at, type, script, name, schedule)
    VALUES (NEW.created_at, 'schedule_created', NEW.script, (SELECT name FROM scripts WHERE key = NEW.script), NEW.id);
END;

CREATE TRIGGER events_schedule_changed AFTER UPDATE OF script, settings, trigger_json ON schedules
WHEN OLD.script <> NEW.script OR OLD.settings <> NEW.settings OR OLD.trigger_json <> NEW.trigger_json
BEGIN
    INSERT INTO events (at, type, script, name, schedule)
    VALUES (NEW.updated_at, 'schedule_changed', NEW.script, (SELECT name FROM scripts WHERE key = NEW.script), NEW.id);
END;

CREATE TRIGGER events_schedule_state AFTER UPDATE OF state ON schedules WHEN OLD.state <> NEW.state
BEGIN
    INSERT INTO events (at, type, script, name, schedule, reason)
    VALUES (NEW.updated_at,
        CASE NEW.state WHEN 'paused' THEN 'schedule_paused' WHEN 'finished' THEN 'schedule_finished' ELSE 'schedule_resumed' END,
        NEW.script, (SELECT name FROM scripts WHERE key = NEW.script), NEW.id, NEW.reason);
END;

CREATE TRIGGER events_schedule_deleted AFTER DELETE ON schedules
BEGIN
    INSERT INTO events (at, type, script, name, schedule)
    VALUES (OLD.updated_at, 'schedule_deleted', OLD.script, (SELECT name FROM scripts WHERE key = OLD.script), OLD.id);
END;

CREATE TRIGGER events_scheduler AFTER UPDATE OF paused ON scheduler WHEN OLD.paused <> NEW.paused
BEGIN
    INSERT INTO events (at, type)
    VALUES (NEW.updated_at, CASE NEW.paused WHEN 0 THEN 'scheduler_resumed' ELSE 'scheduler_paused' END);
END;
