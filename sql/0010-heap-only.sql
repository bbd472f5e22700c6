-- A job's row is written when it is accepted, when it is routed and when it has ended. What changes behind the
-- acceptance is in no index of the row any more, so that those writes are heap-only: of their work, most was done for
-- indexes. What finds jobs by their status is here.

-- Nobody is to write between the look at what there is and the triggers that keep it.
LOCK TABLE distribution_deliveries, distribution_jobs IN ACCESS EXCLUSIVE MODE;

-- --- what is to be routed ---

-- Kept by triggers on the jobs: a row for each pending one.
CREATE TABLE distribution_pending (
    job_id     uuid PRIMARY KEY,
    tenant_id  varchar(50) NOT NULL,
    priority   varchar(10) NOT NULL,
    due_at     timestamptz NOT NULL,
    expires_at timestamptz
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
COMMENT ON TABLE distribution_pending IS 'the pending jobs: what is to be routed, and found by its lane';

INSERT INTO distribution_pending (job_id, tenant_id, priority, due_at, expires_at)
SELECT id, tenant_id, priority, due_at, expires_at FROM distribution_jobs WHERE status = 'pending';

CREATE INDEX idx_distribution_pending_lanes ON distribution_pending (tenant_id, priority, due_at, job_id);
CREATE INDEX idx_distribution_pending_expiry ON distribution_pending (expires_at);

CREATE FUNCTION dist_jobs_inserted() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO distribution_pending (job_id, tenant_id, priority, due_at, expires_at)
    SELECT id, tenant_id, priority, due_at, expires_at FROM new_rows WHERE status = 'pending';
    RETURN NULL;
END
$$;
CREATE TRIGGER dist_jobs_inserted AFTER INSERT ON distribution_jobs
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION dist_jobs_inserted();

CREATE FUNCTION dist_pending_changed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM distribution_pending WHERE job_id = OLD.id;
    IF TG_OP = 'UPDATE' AND NEW.status = 'pending' THEN -- if it still is
        INSERT INTO distribution_pending (job_id, tenant_id, priority, due_at, expires_at)
        SELECT id, tenant_id, priority, due_at, expires_at FROM distribution_jobs
        WHERE id = NEW.id AND status = 'pending';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER dist_pending_changed AFTER UPDATE OF status, tenant_id, priority, due_at, expires_at ON distribution_jobs
    FOR EACH ROW
    WHEN ((OLD.status = 'pending' OR NEW.status = 'pending')
          AND (OLD.status, OLD.tenant_id, OLD.priority, OLD.due_at, OLD.expires_at)
              IS DISTINCT FROM (NEW.status, NEW.tenant_id, NEW.priority, NEW.due_at, NEW.expires_at))
    EXECUTE FUNCTION dist_pending_changed();
CREATE TRIGGER dist_pending_deleted AFTER DELETE ON distribution_jobs
    FOR EACH ROW WHEN (OLD.status = 'pending') EXECUTE FUNCTION dist_pending_changed();

CREATE FUNCTION dist_jobs_truncated() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM distribution_pending;
    RETURN NULL;
END
$$;
CREATE TRIGGER dist_jobs_truncated AFTER TRUNCATE ON distribution_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION dist_jobs_truncated();

-- --- what has expired ---

-- The job's column is what counts; this one finds what may have expired, and then the job is asked. Where the job is given
-- more time, that is passed on to its open deliveries, but for those that somebody has locked: they are found too early.
ALTER TABLE distribution_deliveries ADD COLUMN expires_at timestamptz;
COMMENT ON COLUMN distribution_deliveries.expires_at IS
    'of an open one to a target: when to look whether its job has expired';
UPDATE distribution_deliveries d SET expires_at = j.expires_at
    FROM distribution_jobs j
    WHERE j.id = d.job_id AND d.kind = 'target' AND d.status IN ('waiting', 'queued', 'dead');
-- The second condition keeps it from being taken for what asks for the status alone.
CREATE INDEX idx_distribution_deliveries_expiry ON distribution_deliveries (expires_at)
    WHERE status IN ('waiting', 'queued') AND expires_at IS NOT NULL;

CREATE FUNCTION dist_expiry_changed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE distribution_deliveries SET expires_at = NEW.expires_at
    WHERE id = ANY (ARRAY(SELECT id FROM distribution_deliveries
                          WHERE job_id = NEW.id AND kind = 'target' AND status IN ('waiting', 'queued')
                          FOR NO KEY UPDATE SKIP LOCKED));
    RETURN NULL;
END
$$;
CREATE TRIGGER dist_expiry_changed AFTER UPDATE OF expires_at ON distribution_jobs
    FOR EACH ROW WHEN (NEW.open_deliveries > 0 AND NEW.expires_at IS DISTINCT FROM OLD.expires_at)
    EXECUTE FUNCTION dist_expiry_changed();

-- --- the rows of the jobs ---

-- A heap-only write needs room on the page of the row. So half of a page stays free at first, and rows larger than 2 KB are
-- made smaller than 1 KB: bodies are compressed, or lie outside. First, since the columns below write all rows anew.
ALTER TABLE distribution_jobs SET (fillfactor = 50, toast_tuple_target = 1024);

-- NULL for nearly every job, at every time: what an index has of them does not change either.
ALTER TABLE distribution_jobs
    ADD COLUMN unsuccessful varchar(20) GENERATED ALWAYS AS (
        CASE WHEN status IN ('partial', 'failed', 'expired', 'cancelled') THEN status END) STORED,
    ADD COLUMN open_supersede_key varchar(255) GENERATED ALWAYS AS (
        CASE WHEN status IN ('pending', 'routed') THEN supersede_key END) STORED;
COMMENT ON COLUMN distribution_jobs.unsuccessful IS
    'the status of a job that has ended without having been delivered everywhere, else NULL';
COMMENT ON COLUMN distribution_jobs.open_supersede_key IS 'supersede_key, until the job has ended';

DROP INDEX idx_distribution_jobs_tenant_status;
DROP INDEX idx_distribution_jobs_pending;
DROP INDEX idx_distribution_jobs_expiry;
DROP INDEX idx_distribution_jobs_supersede;
CREATE INDEX idx_distribution_jobs_unsuccessful ON distribution_jobs (tenant_id, unsuccessful, created_at)
    WHERE unsuccessful IS NOT NULL;
CREATE INDEX idx_distribution_jobs_supersede ON distribution_jobs (tenant_id, open_supersede_key)
    WHERE open_supersede_key IS NOT NULL;

ANALYZE distribution_jobs, distribution_pending, distribution_deliveries;
