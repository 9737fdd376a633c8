-- Channels: where notices go, and deliveries: what was told to whom, which is the outbox too.

CREATE TABLE channels (
    name       TEXT   NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,                         -- webhook, email, slack, …
    terms      TEXT   NOT NULL,                         -- JSON: what may be shown; sealed with the secrets
    key        TEXT   NOT NULL,                         -- the id of the key
    sealed     TEXT   NOT NULL,                         -- nonce and ciphertext in base64: URL, passwords, signing secrets
    off_reason TEXT,                                    -- why nothing is sent; none: it is on
    revision   BIGINT NOT NULL,                         -- counted up with every change
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT
);

-- Written in the transaction that records the cause, and sent afterwards. A channel may be named that is not there.
CREATE TABLE deliveries (
    id         TEXT   NOT NULL PRIMARY KEY,             -- UUIDv7: order of making
    channel    TEXT   NOT NULL,
    kind       TEXT   NOT NULL,                         -- firing, repeated, ok, summary
    alert      TEXT,
    script     TEXT,                                    -- its name
    run        TEXT,
    notice     TEXT   NOT NULL,                         -- JSON
    state      TEXT   NOT NULL CHECK (state IN ('waiting', 'sent', 'dead')),
    attempts   BIGINT NOT NULL DEFAULT 0,
    next_at    BIGINT,                                  -- when it is to be tried, at the earliest; none: not by itself; of an attempt under way: when it is taken for lost
    give_up_at BIGINT NOT NULL,                         -- no more attempts from then on
    counted_at BIGINT,                                  -- when it was last tried: what the channel's rate counts
    held_at    BIGINT,                                  -- when the channel's rate held it back
    summary    TEXT,                                    -- the delivery that tells of it instead
    node       TEXT,                                    -- who sends it now
    token      TEXT,                                    -- of the attempt that is under way
    status     BIGINT,                                  -- of the last answer over HTTP or SMTP
    answer     TEXT,                                    -- the last answer, or why there is none, in words
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

CREATE TRIGGER events_delivery_dead AFTER UPDATE OF state ON deliveries
WHEN OLD.state <> 'dead' AND NEW.state = 'dead' AND NEW.summary IS NULL
BEGIN
    INSERT INTO events (at, type, script, name, run, reason)
    VALUES (NEW.updated_at, 'delivery_dead', (SELECT key FROM scripts WHERE name = NEW.script), NEW.script, NEW.run,
        NEW.channel || ': ' || coalesce(NEW.answer, ''));
END;
