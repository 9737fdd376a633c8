-- Who changed what. Written in the transaction of the change.

CREATE TABLE audit (
    id         TEXT   NOT NULL PRIMARY KEY,             -- UUIDv7: order of time
    at         BIGINT NOT NULL,
    actor      TEXT   NOT NULL CHECK (actor IN ('token', 'session', 'local', 'server')),
    token      TEXT,                                    -- its id; it may be gone
    token_name TEXT,                                    -- as it was then
    address    TEXT,                                    -- of the client
    request    TEXT,                                    -- X-Request-Id
    action     TEXT   NOT NULL,                         -- the operation of the API: put_script
    object     TEXT   NOT NULL,                         -- what was changed, as the API addresses it: scripts/price
    outcome    TEXT   NOT NULL CHECK (outcome IN ('done', 'refused')),
    detail     TEXT                                     -- what changed, or the code of the refusal
);
CREATE INDEX audit_of_token ON audit (token, id) WHERE token IS NOT NULL;
CREATE INDEX audit_of_object ON audit (object, id);
CREATE INDEX audit_of_request ON audit (request) WHERE request IS NOT NULL;
