-- Bounds: what a held run costs when another ends, how many runs follow from one, and blobs while they are deleted.

-- Of a held run, 1: it has passed its gate and waits for its script's limit; 0: it waits before its gate.
ALTER TABLE queue ADD COLUMN passed BIGINT NOT NULL DEFAULT 0;
UPDATE queue SET passed = 1 WHERE state = 'held' AND gate_most IS NULL;
-- Each line in the order in which its runs go, and how many of a gate are in which.
CREATE INDEX queue_before_gate ON queue (gate, priority DESC, run) WHERE state = 'held' AND passed = 0;
CREATE INDEX queue_before_lane ON queue (lane, priority DESC, run) WHERE state = 'held' AND passed = 1;
CREATE INDEX queue_behind_gate ON queue (gate, state, passed) WHERE state = 'held';

-- How many runs follow from a run along chains.
CREATE TABLE chain_causes (
    run        TEXT COLLATE "C" NOT NULL PRIMARY KEY,             -- the first of them; it may be gone
    followed   BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX chain_causes_by_time ON chain_causes (updated_at);

-- Since when a node deletes its object: until the row is gone nothing may refer to it.
ALTER TABLE blobs ADD COLUMN deleting_at BIGINT;
-- 1: its content was written since it was announced; 0: whoever announced it may have gone before that.
ALTER TABLE blobs ADD COLUMN written BIGINT NOT NULL DEFAULT 1;

-- Links are followed in the order of their runs, and go with them.
CREATE INDEX chains_due_by_run ON chains_due (run, schedule);
