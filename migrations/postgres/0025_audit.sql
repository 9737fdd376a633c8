-- Who changed what. Written in the transaction of the change.

CREATE TABLE audit (
    id         TEXT COLLATE "C"   NOT NULL PRIMARY KEY,             -- UUIDv7: order of time
    at         BIGINT NOT NULL,
    actor      TEXT COLLATE "C"   NOT NULL CHECK (actor IN ('token', 'session', 'local', 'server')),
    token      TEXT COLLATE "C",                                    -- its id; it may be gone
    token_name TEXT COLLATE "C",                                    -- as it was then
    address    TEXT COLLATE "C",                                    -- of the client
    request    TEXT COLLATE "C",                                    -- X-Request-Id
    action     TEXT COLLATE "C"   NOT NULL,                         -- the operation of the API: put_script
    object     TEXT COLLATE "C"   NOT NULL,                         -- what was changed, as the API addresses it: scripts/price
    outcome    TEXT COLLATE "C"   NOT NULL CHECK (outcome IN ('done', 'refused')),
    detail     TEXT COLLATE "C"                                     -- what changed, or the code of the refusal
);
CREATE INDEX audit_of_token ON audit (token, id) WHERE token IS NOT NULL;
CREATE INDEX audit_of_object ON audit (object, id);
CREATE INDEX audit_of_request ON audit (request) WHERE request IS NOT NULL;
