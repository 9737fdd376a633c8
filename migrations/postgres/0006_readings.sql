-- How triggers were read: the instant that stood for now, and the release of time zones.

ALTER TABLE schedules ADD COLUMN read_at BIGINT;        -- what the same words mean again is read with it; none: created_at
ALTER TABLE scheduler ADD COLUMN tzdata TEXT COLLATE "C";           -- next fire times were computed with it; with another, they are anew
