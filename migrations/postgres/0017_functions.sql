-- What a run can call of a version: functions with JSON Schemas of their parameters. None: it was not checked, or by a program
-- that made none.
ALTER TABLE versions ADD COLUMN functions TEXT;
