-- Logins of browsers. A session goes with its token.

CREATE TABLE sessions (
    hash       TEXT   NOT NULL PRIMARY KEY,             -- SHA-256 of the cookie's value: it is random, so no salt is needed
    token      TEXT   NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_token ON sessions (token, created_at);
CREATE INDEX sessions_by_end ON sessions (expires_at);
