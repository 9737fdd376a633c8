-- Columns that are not read any more. Nodes of the version before still write them: they need no value from now on, and go
-- in a later step.

ALTER TABLE attempts ALTER COLUMN token DROP NOT NULL;
ALTER TABLE blobs ALTER COLUMN size DROP NOT NULL;
ALTER TABLE blobs ALTER COLUMN created_at DROP NOT NULL;
