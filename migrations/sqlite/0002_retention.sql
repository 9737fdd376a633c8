-- What is old is found without looking at what is kept.

CREATE INDEX runs_with_output ON runs (id)
WHERE (stdout IS NOT NULL OR stderr IS NOT NULL OR stdout_blob IS NOT NULL OR stderr_blob IS NOT NULL);

-- What nothing refers to was condemned by looking for it; from now on whoever takes the last reference away condemns it.
UPDATE blobs SET condemned_at = created_at
WHERE condemned_at IS NULL AND NOT EXISTS (SELECT 1 FROM blob_references WHERE blob = key);
