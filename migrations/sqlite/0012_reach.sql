-- Whom a schedule may follow.

-- JSON: the scripts that whoever made the schedule could touch. Runs of others never start it. None: all.
ALTER TABLE schedules ADD COLUMN reach TEXT;
