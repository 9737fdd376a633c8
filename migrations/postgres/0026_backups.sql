-- Backups: which were made, and which are being made. While one is being made no blob is deleted. A backup holds every table
-- but this one.
CREATE TABLE backups (
    id          TEXT COLLATE "C"   NOT NULL PRIMARY KEY,             -- its name at the place: it begins with its time
    place       TEXT COLLATE "C"   NOT NULL,
    scheduled   BIGINT NOT NULL,                         -- 1: by the server itself
    node        TEXT COLLATE "C",                                    -- who makes it; none: the command line
    started_at  BIGINT NOT NULL,
    held_until  BIGINT,                                  -- no blob is deleted until then; none: it has ended
    finished_at BIGINT,
    outcome     TEXT COLLATE "C" CHECK (outcome = 'succeeded' OR outcome = 'failed'),
    reason      TEXT COLLATE "C",                                    -- why it failed
    bytes       BIGINT                                   -- of all that it consists of
);
CREATE INDEX backups_held ON backups (held_until) WHERE held_until IS NOT NULL;
CREATE INDEX backups_by_time ON backups (scheduled, started_at);

CREATE FUNCTION events_of_backups() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (at, type, reason) VALUES (NEW.finished_at, 'backup_failed', NEW.place || ': ' || coalesce(NEW.reason, ''));
    RETURN NULL;
END
$$;
CREATE TRIGGER events_backup_failed AFTER UPDATE OF outcome ON backups FOR EACH ROW
WHEN (OLD.outcome IS NULL AND NEW.outcome = 'failed') EXECUTE FUNCTION events_of_backups();
