-- Replays of dead letters as batches: who sent what again, when and why, and where an edited one comes from.

-- States: `canary`, the first ones were replayed, and until somebody has seen them arrive the rest stays dead;
-- `replaying`; `replayed`, all that could be; `stopped`, the canary did not arrive.
CREATE TABLE replay_batches (
    id              uuid PRIMARY KEY,
    created_at      timestamptz NOT NULL DEFAULT now(),
    started_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    state           text NOT NULL,
    who             text NOT NULL,
    why             text,
    filter          jsonb NOT NULL,
    destination     varchar(100),
    edited          boolean NOT NULL DEFAULT false,
    rate            text,
    canary          integer NOT NULL DEFAULT 0,
    max_replays     integer NOT NULL,
    selected        integer NOT NULL,
    refused         integer NOT NULL DEFAULT 0,
    replayed        integer NOT NULL DEFAULT 0,
    error           text,

    CONSTRAINT replay_batches_state CHECK (state IN ('canary', 'replaying', 'replayed', 'stopped')),
    CONSTRAINT replay_batches_ended CHECK ((state IN ('replayed', 'stopped')) = (ended_at IS NOT NULL)),
    CONSTRAINT replay_batches_counts CHECK (least(canary, selected, refused, replayed) >= 0
                                            AND refused + replayed <= selected)
);
COMMENT ON COLUMN replay_batches.started_at IS 'the beginning of what is spread by the rate: behind the canary';
COMMENT ON COLUMN replay_batches.destination IS 'where to, if not where they died';
COMMENT ON COLUMN replay_batches.refused IS 'had been replayed max_replays times';
CREATE INDEX idx_replay_batches_created_at ON replay_batches (created_at);

ALTER TABLE distribution_deliveries
    ADD COLUMN replays integer NOT NULL DEFAULT 0,
    ADD COLUMN replay_batch uuid,
    ADD COLUMN replayed_as uuid;
COMMENT ON COLUMN distribution_deliveries.replays IS 'how many times it was replayed';
COMMENT ON COLUMN distribution_deliveries.replay_batch IS 'the batch of its last replay';
COMMENT ON COLUMN distribution_deliveries.replayed_as IS 'the distribution that has an edited body in its place';
COMMENT ON COLUMN distribution_deliveries.replayed_at IS
    'when its last replay is due: from then on a callback has its time anew';
CREATE INDEX idx_distribution_deliveries_batch ON distribution_deliveries (replay_batch)
    WHERE replay_batch IS NOT NULL;

ALTER TABLE distribution_jobs ADD COLUMN replay_of uuid;
COMMENT ON COLUMN distribution_jobs.replay_of IS 'the dead delivery of which this one is the edited replay';
CREATE UNIQUE INDEX idx_distribution_jobs_replay_of ON distribution_jobs (replay_of) WHERE replay_of IS NOT NULL;
