-- The feed: what happened to runs and schedules, in an order that readers may rely on. Written by the schema, so that no
-- path of the program can forget it.

-- What readers have to know of the feed beside its rows: one row.
CREATE TABLE feed (
    one        BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    base       BIGINT NOT NULL,                         -- what transaction numbers are counted from: another cluster begins anew
    gone_place BIGINT NOT NULL,                         -- the last event that was deleted
    gone_seq   BIGINT NOT NULL
);
INSERT INTO feed (one, base, gone_place, gone_seq) VALUES (1, 0, 0, 0);

CREATE FUNCTION feed_place() RETURNS BIGINT LANGUAGE sql VOLATILE AS
$$ SELECT base + pg_current_xact_id()::text::bigint FROM feed $$;

-- Transactions end in another order than they begin: readers see what is older than every open one (place below the
-- snapshot's xmin), so that nothing appears behind what they have read.
CREATE TABLE events (
    place     BIGINT NOT NULL DEFAULT feed_place(),     -- the number of the transaction that wrote it, from the base on
    seq       BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
    at        BIGINT NOT NULL,
    type      TEXT COLLATE "C"   NOT NULL,
    script    TEXT COLLATE "C",                                     -- key; none for source sent along
    name      TEXT COLLATE "C",                                     -- the script's name
    schedule  TEXT COLLATE "C",                                     -- its id
    run       TEXT COLLATE "C",
    cause     TEXT COLLATE "C",
    fire_time BIGINT,
    reason    TEXT COLLATE "C",
    PRIMARY KEY (place, seq)
);

-- When it was last paused or resumed.
ALTER TABLE scheduler ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;

CREATE FUNCTION events_of_runs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (at, type, script, name, schedule, run, cause, fire_time, reason)
    VALUES (coalesce(NEW.finished_at, NEW.created_at), 'run_' || NEW.status, NEW.script, NEW.name,
        coalesce((SELECT id FROM schedules WHERE key = NEW.schedule), NEW.schedule), NEW.id,
        NEW.cause, NEW.fire_time, NEW.reason);
    RETURN NULL;
END
$$;
CREATE TRIGGER events_run_ended AFTER UPDATE OF status ON runs FOR EACH ROW
WHEN (OLD.status <> NEW.status AND NEW.status NOT IN ('scheduled', 'queued', 'running')) EXECUTE FUNCTION events_of_runs();
CREATE TRIGGER events_run_unstarted AFTER INSERT ON runs FOR EACH ROW
WHEN (NEW.status IN ('missed', 'skipped')) EXECUTE FUNCTION events_of_runs();

CREATE FUNCTION events_of_schedules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO events (at, type, script, name, schedule)
        VALUES (OLD.updated_at, 'schedule_deleted', OLD.script, (SELECT name FROM scripts WHERE key = OLD.script), OLD.id);
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO events (at, type, script, name, schedule)
        VALUES (NEW.created_at, 'schedule_created', NEW.script, (SELECT name FROM scripts WHERE key = NEW.script), NEW.id);
        RETURN NULL;
    END IF;
    IF OLD.script <> NEW.script OR OLD.settings <> NEW.settings OR OLD.trigger_json <> NEW.trigger_json THEN
        INSERT INTO events (at, type, script, name, schedule)
        VALUES (NEW.updated_at, 'schedule_changed', NEW.script, (SELECT name FROM scripts WHERE key = NEW.script), NEW.id);
    END IF;
    IF OLD.state <> NEW.state THEN
        INSERT INTO events (at, type, script, name, schedule, reason)
        VALUES (NEW.updated_at,
            CASE NEW.state WHEN 'paused' THEN 'schedule_paused' WHEN 'finished' THEN 'schedule_finished' ELSE 'schedule_resumed' END,
            NEW.script, (SELECT name FROM scripts WHERE key = NEW.script), NEW.id, NEW.reason);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER events_schedule_rows AFTER INSERT OR DELETE ON schedules FOR EACH ROW EXECUTE FUNCTION events_of_schedules();
CREATE TRIGGER events_schedule_changed AFTER UPDATE OF script, settings, trigger_json, state ON schedules FOR EACH ROW
WHEN (OLD.script <> NEW.script OR OLD.settings <> NEW.settings OR OLD.trigger_json <> NEW.trigger_json OR OLD.state <> NEW.state)
EXECUTE FUNCTION events_of_schedules();

CREATE FUNCTION events_of_scheduler() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (at, type)
    VALUES (NEW.updated_at, CASE NEW.paused WHEN 0 THEN 'scheduler_resumed' ELSE 'scheduler_paused' END);
    RETURN NULL;
END
$$;
CREATE TRIGGER events_scheduler AFTER UPDATE OF paused ON scheduler FOR EACH ROW WHEN (OLD.paused <> NEW.paused)
EXECUTE FUNCTION events_of_scheduler();
