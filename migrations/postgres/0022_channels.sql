-- Channels: where notices go, and deliveries: what was told to whom, which is the outbox too.

CREATE TABLE channels (
    name       TEXT COLLATE "C"   NOT NULL PRIMARY KEY,
    kind       TEXT COLLATE "C"   NOT NULL,                         -- webhook, email, slack, …
    terms      TEXT COLLATE "C"   NOT NULL,                         -- JSON: what may be shown; sealed with the secrets
    key        TEXT COLLATE "C"   NOT NULL,                         -- the id of the key
    sealed     TEXT COLLATE "C"   NOT NULL,                         -- nonce and ciphertext in base64: URL, passwords, signing secrets
    off_reason TEXT COLLATE "C",                                    -- why nothing is sent; none: it is on
    revision   BIGINT NOT NULL,                         -- counted up with every change
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT COLLATE "C"
);

-- Written in the transaction that records the cause, and sent afterwards. A channel may be named that is not there.
CREATE TABLE deliveries (
    id         TEXT COLLATE "C"   NOT NULL PRIMARY KEY,             -- UUIDv7: order of making
    channel    TEXT COLLATE "C"   NOT NULL,
    kind       TEXT COLLATE "C"   NOT NULL,                         -- firing, repeated, ok, summary
    alert      TEXT COLLATE "C",
    script     TEXT COLLATE "C",                                    -- its name
    run        TEXT COLLATE "C",
    notice     TEXT COLLATE "C"   NOT NULL,                         -- JSON
    state      TEXT COLLATE "C"   NOT NULL CHECK (state IN ('waiting', 'sent', 'dead')),
    attempts   BIGINT NOT NULL DEFAULT 0,
    next_at    BIGINT,                                  -- when it is to be tried, at the earliest; none: not by itself; of an attempt under way: when it is taken for lost
    give_up_at BIGINT NOT NULL,                         -- no more attempts from then on
    counted_at BIGINT,                                  -- when it was last tried: what the channel's rate counts
    held_at    BIGINT,                                  -- when the channel's rate held it back
    summary    TEXT COLLATE "C",                                    -- the delivery that tells of it instead
    node       TEXT COLLATE "C",                                    -- who sends it now
    token      TEXT COLLATE "C",                                    -- of the attempt that is under way
    status     BIGINT,                                  -- of the last answer over HTTP or SMTP
    answer     TEXT COLLATE "C",                                    -- the last answer, or why there is none, in words
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'waiting' AND next_at IS NOT NULL;
CREATE INDEX deliveries_held ON deliveries (channel) WHERE state = 'waiting' AND held_at IS NOT NULL AND summary IS NULL;
CREATE INDEX deliveries_counted ON deliveries (channel, counted_at) WHERE counted_at IS NOT NULL;
CREATE INDEX deliveries_of_channel ON deliveries (channel, id);
CREATE INDEX deliveries_of_run ON deliveries (run) WHERE run IS NOT NULL;
CREATE INDEX deliveries_of_alert ON deliveries (alert, id) WHERE alert IS NOT NULL;
CREATE INDEX deliveries_of_summary ON deliveries (summary) WHERE summary IS NOT NULL;
CREATE INDEX deliveries_of_state ON deliveries (state, id);

CREATE FUNCTION events_of_deliveries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (at, type, script, name, run, reason)
    VALUES (NEW.updated_at, 'delivery_dead', (SELECT key FROM scripts WHERE name = NEW.script), NEW.script, NEW.run,
        NEW.channel || ': ' || coalesce(NEW.answer, ''));
    RETURN NULL;
END
$$;
CREATE TRIGGER events_delivery_dead AFTER UPDATE OF state ON deliveries FOR EACH ROW
WHEN (OLD.state <> 'dead' AND NEW.state = 'dead' AND NEW.summary IS NULL) EXECUTE FUNCTION events_of_deliveries();
