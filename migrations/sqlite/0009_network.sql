-- What a run did outside of its sandbox.

ALTER TABLE runs ADD COLUMN network TEXT;           -- JSON: what it used of the network, by host
