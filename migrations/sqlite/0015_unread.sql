-- Columns that are not read any more. On SQLite no other node uses them: they go.

ALTER TABLE attempts DROP COLUMN token;
ALTER TABLE blobs DROP COLUMN size;
ALTER TABLE blobs DROP COLUMN created_at;
