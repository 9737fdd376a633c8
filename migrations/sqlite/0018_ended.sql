-- The last runs of a script that have ended, however many of it wait.
CREATE INDEX runs_ended ON runs (script, id) WHERE finished_at IS NOT NULL AND script IS NOT NULL;
