-- Backups: which were made, and which are being made. While one is being made no blob is deleted. A backup holds every table
-- but this one.
CREATE TABLE backups (
    id          TEXT   NOT NULL PRIMARY KEY,             -- its name at the place: it begins with its time
    place       TEXT   NOT NULL,
    scheduled   BIGINT NOT NULL,                         -- 1: by the server itself
    node        TEXT,                                    -- who makes it; none: the command line
    started_at  BIGINT NOT NULL,
    held_until  BIGINT,                                  -- no blob is deleted until then; none: it has ended
    finished_at BIGINT,
    outcome     TEXT CHECK (outcome = 'succeeded' OR outcome = 'failed'),
    reason      TEXT,                                    -- why it failed
    bytes       BIGINT                                   -- of all that it consists of
);
CREATE INDEX backups_held ON backups (held_until) WHERE held_until IS NOT NULL;
CREATE INDEX backups_by_time ON backups (scheduled, started_at);

CREATE TRIGGER events_backup_failed AFTER UPDATE OF outcome ON backups
WHEN OLD.outcome IS NULL AND NEW.outcome = 'failed'
BEGIN
    INSERT INTO events (at, type, reason) VALUES (NEW.finished_at, 'backup_failed', NEW.place || ': ' || coalesce(NEW.reason, ''));
END;
