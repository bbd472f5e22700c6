-- What a submitter may say beside the report: from when on it may go, under which key it is one, what it replaces.

ALTER TABLE distribution_jobs
    ADD COLUMN scheduled_at  timestamptz,
    ADD COLUMN supersede_key varchar(255),
    ADD CONSTRAINT distribution_jobs_schedule CHECK (scheduled_at < expires_at);
COMMENT ON COLUMN distribution_jobs.scheduled_at IS 'not routed before; NULL: at once';
COMMENT ON COLUMN distribution_jobs.supersede_key IS
    'accepting another job of the tenant with this key cancels what is open of this one';
COMMENT ON COLUMN distribution_jobs.lifetime IS
    'expires_at less created_at (or scheduled_at, where that is later) at acceptance: what a replay grants again';

CREATE INDEX idx_distribution_jobs_supersede ON distribution_jobs (tenant_id, supersede_key)
    WHERE supersede_key IS NOT NULL AND status IN ('pending', 'routed');
-- Whether a report that comes late, from a spool, has been replaced meanwhile.
CREATE INDEX idx_distribution_jobs_supersede_created ON distribution_jobs (tenant_id, supersede_key, created_at)
    WHERE supersede_key IS NOT NULL;

-- Idempotency keys in force. A row is written in the transaction of its job, and one whose time is over is taken over
-- by the next job with that key. A row whose job is not there is free: it was left by a submission that came second
-- under its distribution_id, or its job was removed. Hence no foreign key.
CREATE TABLE distribution_keys (
    tenant_id    varchar(50) NOT NULL,
    key          varchar(255) NOT NULL,
    job_id       uuid NOT NULL,
    request_hash char(64) NOT NULL,
    taken_at     timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key)
) WITH (fillfactor = 90);
CREATE INDEX idx_distribution_keys_expires_at ON distribution_keys (expires_at);

INSERT INTO distribution_keys (tenant_id, key, job_id, request_hash, taken_at, expires_at)
SELECT tenant_id, idempotency_key, id, request_hash, created_at, created_at + interval '24 hours'
FROM distribution_jobs
WHERE idempotency_key IS NOT NULL AND created_at > now() - interval '24 hours';

DROP INDEX idx_distribution_jobs_idempotency;
