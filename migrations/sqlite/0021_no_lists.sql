-- Checks and triggers compare with each word by itself. For IN with a list of three words or more SQLite builds a table in
-- memory, each time a row is written: seven for one run. What is allowed stays the same.

-- SQLite changes no CHECK, and to make the table of runs again would take as long as there are many. Its text is changed in
-- place, which is the documented way for a change that no row notices (sqlite.org/lang_altertable.html, "Making Other Kinds Of
-- Table Schema Changes"). RESET reads the changed text.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(sql,
    'CHECK (cause IN (''fire'', ''api'', ''manual'', ''chain'', ''backfill'', ''retry''))',
    'CHECK (cause = ''fire'' OR cause = ''api'' OR cause = ''manual'' OR cause = ''chain'' OR cause = ''backfill''
                       OR cause = ''retry'')'),
    'CHECK (status IN (''scheduled'', ''queued'', ''running'', ''succeeded'', ''failed'', ''timed_out'',
                       ''out_of_fuel'', ''out_of_memory'', ''crashed'', ''cancelled'', ''abandoned'', ''missed'', ''skipped''))',
    'CHECK (status = ''scheduled'' OR status = ''queued'' OR status = ''running'' OR status = ''succeeded''
                       OR status = ''failed'' OR status = ''timed_out'' OR status = ''out_of_fuel'' OR status = ''out_of_memory''
                       OR status = ''crashed'' OR status = ''cancelled'' OR status = ''abandoned'' OR status = ''missed''
                       OR status = ''skipped'')')
WHERE type = 'table' AND name = 'runs';
UPDATE sqlite_schema SET sql = replace(sql,
    'CHECK (state IN (''waiting'', ''held'', ''ready'', ''claimed''))',
    'CHECK (state = ''waiting'' OR state = ''held'' OR state = ''ready'' OR state = ''claimed'')')
WHERE type = 'table' AND name = 'queue';
PRAGMA writable_schema = RESET;

DROP TRIGGER runs_steps;
CREATE TRIGGER runs_steps BEFORE UPDATE OF status ON runs
WHEN NOT (
    OLD.status = NEW.status
    OR (OLD.status = 'scheduled'
        AND (NEW.status = 'queued' OR NEW.status = 'cancelled' OR NEW.status = 'skipped' OR NEW.status = 'missed'))
    OR (OLD.status = 'queued'
        AND (NEW.status = 'running' OR NEW.status = 'cancelled' OR NEW.status = 'skipped' OR NEW.status = 'missed'))
    OR (OLD.status = 'running'
        AND (NEW.status = 'succeeded' OR NEW.status = 'failed' OR NEW.status = 'queued' OR NEW.status = 'scheduled'
            OR NEW.status = 'timed_out' OR NEW.status = 'out_of_fuel' OR NEW.status = 'out_of_memory'
            OR NEW.status = 'crashed' OR NEW.status = 'cancelled' OR NEW.status = 'abandoned'))
)
BEGIN
    SELECT RAISE(ABORT, 'a run cannot take this step');
END;

DROP TRIGGER runs_begin;
CREATE TRIGGER runs_begin BEFORE INSERT ON runs
WHEN NOT (NEW.status = 'running' OR NEW.status = 'queued' OR NEW.status = 'scheduled' OR NEW.status = 'missed'
    OR NEW.status = 'skipped')
BEGIN
    SELECT RAISE(ABORT, 'a run cannot begin with this status');
END;

DROP TRIGGER events_run_ended;
CREATE TRIGGER events_run_ended AFTER UPDATE OF status ON runs
WHEN OLD.status <> NEW.status AND NEW.status <> 'scheduled' AND NEW.status <> 'queued' AND NEW.status <> 'running'
BEGIN
    INSERT INTO events (at, type, script, name, schedule, run, cause, fire_time, reason)
    VALUES (coalesce(NEW.finished_at, NEW.created_at), 'run_' || NEW.status, NEW.script, NEW.name,
        coalesce((SELECT id FROM schedules WHERE key = NEW.schedule), NEW.schedule), NEW.id,
        NEW.cause, NEW.fire_time, NEW.reason);
END;
