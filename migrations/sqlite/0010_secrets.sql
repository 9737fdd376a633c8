-- Secrets: their values sealed under a key that is not here, and the scripts they are granted to.

CREATE TABLE secrets (
    name       TEXT   NOT NULL PRIMARY KEY,
    terms      TEXT   NOT NULL,                         -- JSON: hosts, scripts, labels, …; sealed with the value
    key        TEXT   NOT NULL,                         -- the id of the key
    sealed     TEXT   NOT NULL,                         -- nonce and ciphertext in base64
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT
);

-- A script may be granted a secret before it is there.
CREATE TABLE secret_grants (
    secret     TEXT   NOT NULL REFERENCES secrets (name) ON DELETE CASCADE,
    script     TEXT   NOT NULL,
    revoked    BIGINT NOT NULL DEFAULT 0,               -- 1: taken back, and not given again but by name
    created_at BIGINT NOT NULL,
    created_by TEXT,
    PRIMARY KEY (secret, script)
);

CREATE INDEX secret_grants_script ON secret_grants (script);
