-- What each attempt used: they are listed by GET /v1/runs/{id}/attempts.

ALTER TABLE attempts ADD COLUMN fuel BIGINT;             -- units
ALTER TABLE attempts ADD COLUMN memory BIGINT;           -- most bytes in use
ALTER TABLE attempts ADD COLUMN wall BIGINT;             -- microseconds
