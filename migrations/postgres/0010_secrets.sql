-- Secrets: their values sealed under a key that is not here, and the scripts they are granted to.

CREATE TABLE secrets (
    name       TEXT COLLATE "C"   NOT NULL PRIMARY KEY,
    terms      TEXT COLLATE "C"   NOT NULL,                         -- JSON: hosts, scripts, labels, …; sealed with the value
    key        TEXT COLLATE "C"   NOT NULL,                         -- the id of the key
    sealed     TEXT COLLATE "C"   NOT NULL,                         -- nonce and ciphertext in base64
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    created_by TEXT COLLATE "C"
);

-- A script may be granted a secret before it is there.
CREATE TABLE secret_grants (
    secret     TEXT COLLATE "C"   NOT NULL REFERENCES secrets (name) ON DELETE CASCADE,
    script     TEXT COLLATE "C"   NOT NULL,
    revoked    BIGINT NOT NULL DEFAULT 0,               -- 1: taken back, and not given again but by name
    created_at BIGINT NOT NULL,
    created_by TEXT COLLATE "C",
    PRIMARY KEY (secret, script)
);

CREATE INDEX secret_grants_script ON secret_grants (script);
