-- What a version got of what it asked for.

ALTER TABLE versions ADD COLUMN packages TEXT;      -- JSON: the request, the blob of the files, names and versions
