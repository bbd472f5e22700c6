-- The due pump asks lane by lane: what waits is found by its destination, tenant and priority, so that a million rows of
-- a destination that is down are never read past.

-- The destination of the next attempt: delivery_candidate() in lib/model/delivery.c. `skipped`: candidates that were
-- passed over without an attempt, because their breaker was open.
CREATE FUNCTION dist_candidate(candidates jsonb, attempts integer, budget_start integer, skipped integer) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
        SELECT CASE WHEN jsonb_array_length(candidates) > 0
                    THEN candidates ->> ((attempts - budget_start + skipped) % jsonb_array_length(candidates)) END
    $$;

-- What tells apart destinations of the same name that requests bring along: part of the name of their lanes, so that one
-- of them is not held for another. `address`: a form, or the URL of a callback.
CREATE FUNCTION dist_own_key(tenant_id text, address text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT left(md5(tenant_id || ' ' || address), 12) $$;

ALTER TABLE distribution_deliveries
    ADD COLUMN skipped integer NOT NULL DEFAULT 0,
    ADD COLUMN own_key varchar(12);
UPDATE distribution_deliveries d
    SET own_key = dist_own_key(d.tenant_id, coalesce(d.inline_form::text, j.callback_url))
    FROM distribution_jobs j
    WHERE j.id = d.job_id AND (d.inline_form IS NOT NULL OR d.kind = 'callback')
      AND d.status IN ('waiting', 'queued', 'dead');
ALTER TABLE distribution_deliveries
    ADD COLUMN destination text NOT NULL GENERATED ALWAYS AS (
        coalesce(dist_candidate(candidates, attempts, budget_start, skipped), target) || coalesce('@' || own_key, ''))
        STORED,
    ADD COLUMN again boolean NOT NULL GENERATED ALWAYS AS (attempts > budget_start) STORED;
DROP FUNCTION dist_candidate(jsonb, integer, integer);

COMMENT ON COLUMN distribution_deliveries.skipped IS
    'candidates that were passed over without an attempt, because their breaker was open';
COMMENT ON COLUMN distribution_deliveries.own_key IS
    'digest of the address where the request brought it along (a form, a callback), else NULL';
COMMENT ON COLUMN distribution_deliveries.destination IS 'of the next attempt, as in the names of lanes';
COMMENT ON COLUMN distribution_deliveries.again IS 'an attempt was made: it waits for another one';

DROP INDEX idx_distribution_deliveries_waiting;
CREATE INDEX idx_distribution_deliveries_waiting
    ON distribution_deliveries (destination, tenant_id, priority, again, due_at) WHERE status = 'waiting';
-- What another member of its group can take.
CREATE INDEX idx_distribution_deliveries_groups ON distribution_deliveries (destination)
    WHERE status IN ('waiting', 'queued') AND jsonb_array_length(candidates) > 1;

-- A pending job is due at once: the pump fills the lanes of dist-route from what is pending.
ALTER TABLE distribution_jobs ALTER COLUMN due_at SET DEFAULT now();
DROP INDEX idx_distribution_jobs_pending;
CREATE INDEX idx_distribution_jobs_pending ON distribution_jobs (tenant_id, priority, due_at, id)
    WHERE status = 'pending';
COMMENT ON COLUMN distribution_jobs.due_at IS 'from when on a pending job may be routed';

CREATE OR REPLACE FUNCTION dist_add_callbacks(jobs uuid[]) RETURNS void
    LANGUAGE sql VOLATILE
    AS $$
        INSERT INTO distribution_deliveries (id, job_id, kind, tenant_id, priority, target, candidates, own_key,
                                             status, due_at)
        SELECT dist_uuid(), j.id, 'callback', j.tenant_id, j.priority, 'callback', '["callback"]',
               dist_own_key(j.tenant_id, j.callback_url), 'waiting', now()
        FROM distribution_jobs j
        WHERE j.id = ANY (jobs) AND j.callback_url IS NOT NULL AND j.status NOT IN ('pending', 'routed')
        ORDER BY j.id
        ON CONFLICT (job_id, kind, target) DO NOTHING
    $$;

-- The epoch is known for each partition.
UPDATE dist_state SET key = 'redis_epoch:0' WHERE key = 'redis_epoch';
