-- Units of fuel that importing the packages of a run takes, beside `fuel`.
ALTER TABLE runs ADD COLUMN import_fuel BIGINT NOT NULL DEFAULT 0;
