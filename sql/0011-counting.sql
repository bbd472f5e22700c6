-- Counting for the jobs costs less: what changed goes as one array, and a job is locked and written by one statement.

CREATE TYPE dist_change AS (
    job_id    uuid,
    total     integer,
    open      integer,
    delivered integer,
    dead      integer,
    expired   integer,
    cancelled integer,
    reopened  boolean
);

DROP FUNCTION dist_count(uuid[], integer[], integer[], integer[], integer[], integer[], integer[], boolean[]);

-- Adds what changed to the counters of the jobs, of which each is there once. Jobs are locked in the order of their ids
-- before any of them is written. `reopened`: a delivery that had ended is open again, and gets the job's lifetime anew.
-- Returns the jobs that have ended and want to be called back, or NULL.
CREATE FUNCTION dist_count(changes dist_change[]) RETURNS uuid[]
    LANGUAGE plpgsql STRICT
    AS $$
DECLARE
    ended uuid[];
BEGIN
    WITH d AS MATERIALIZED (
        SELECT * FROM unnest(changes)
    ), l AS MATERIALIZED (
        SELECT id FROM distribution_jobs WHERE id = ANY (ARRAY(SELECT job_id FROM d)) ORDER BY id FOR NO KEY UPDATE
    ), changed AS (
        UPDATE distribution_jobs j
        SET total_deliveries = j.total_deliveries + d.total,
            open_deliveries = j.open_deliveries + d.open,
            delivered_deliveries = j.delivered_deliveries + d.delivered,
            dead_deliveries = j.dead_deliveries + d.dead,
            expired_deliveries = j.expired_deliveries + d.expired,
            cancelled_deliveries = j.cancelled_deliveries + d.cancelled,
            status = dist_job_status(
                j.total_deliveries + d.total, j.open_deliveries + d.open, j.delivered_deliveries + d.delivered,
                j.dead_deliveries + d.dead, j.expired_deliveries + d.expired,
                j.cancelled_deliveries + d.cancelled),
            updated_at = now(),
            completed_at = CASE
                WHEN j.open_deliveries + d.open > 0 THEN NULL
                WHEN j.status = dist_job_status(
                    j.total_deliveries + d.total, 0, j.delivered_deliveries + d.delivered,
                    j.dead_deliveries + d.dead, j.expired_deliveries + d.expired,
                    j.cancelled_deliveries + d.cancelled) THEN coalesce(j.completed_at, now())
                ELSE now() END,
            expires_at = CASE WHEN d.reopened THEN greatest(j.expires_at, now() + j.lifetime) ELSE j.expires_at END
        FROM d
        WHERE j.id = d.job_id AND j.id = ANY (ARRAY(SELECT id FROM l))
        RETURNING j.id, j.callback_url, j.open_deliveries
    )
    SELECT array_agg(id) INTO ended FROM changed WHERE callback_url IS NOT NULL AND open_deliveries = 0;
    RETURN ended;
END
$$;

CREATE OR REPLACE FUNCTION dist_deliveries_inserted() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    changes dist_change[];
    ended   uuid[];
BEGIN
    SELECT array_agg(ROW(c.*)::dist_change) INTO changes
    FROM (SELECT job_id, count(*)::integer,
                 (count(*) FILTER (WHERE status IN ('waiting', 'queued')))::integer,
                 (count(*) FILTER (WHERE status = 'delivered'))::integer,
                 (count(*) FILTER (WHERE status = 'dead'))::integer,
                 (count(*) FILTER (WHERE status = 'expired'))::integer,
                 (count(*) FILTER (WHERE status = 'cancelled'))::integer, false
          FROM new_rows WHERE kind = 'target' GROUP BY job_id) c;
    ended := dist_count(changes);
    IF ended IS NOT NULL THEN
        PERFORM dist_add_callbacks(ended);
    END IF;
    RETURN NULL;
END
$$;

-- Old and new rows are added up, and not joined: the planner, who knows nothing of them, did that in a loop within a loop.
CREATE OR REPLACE FUNCTION dist_deliveries_updated() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    changes dist_change[];
    ended   uuid[];
BEGIN
    SELECT array_agg(ROW(c.*)::dist_change) INTO changes
    FROM (SELECT m.job_id, 0, sum(m.open)::integer, sum(m.delivered)::integer, sum(m.dead)::integer,
                 sum(m.expired)::integer, sum(m.cancelled)::integer, bool_or(m.open > 0)
          FROM (SELECT v.job_id,
                       sum(v.sign * (v.state = 'open')::integer) AS open,
                       sum(v.sign * (v.state = 'delivered')::integer) AS delivered,
                       sum(v.sign * (v.state = 'dead')::integer) AS dead,
                       sum(v.sign * (v.state = 'expired')::integer) AS expired,
                       sum(v.sign * (v.state = 'cancelled')::integer) AS cancelled
                FROM (SELECT id, job_id, 1 AS sign,
                             CASE WHEN status IN ('waiting', 'queued') THEN 'open' ELSE status END AS state
                      FROM new_rows WHERE kind = 'target'
                      UNION ALL
                      SELECT id, job_id, -1,
                             CASE WHEN status IN ('waiting', 'queued') THEN 'open' ELSE status END
                      FROM old_rows WHERE kind = 'target') v
                GROUP BY v.id, v.job_id
                HAVING min(v.state) <> max(v.state)) m
          GROUP BY m.job_id) c;
    ended := dist_count(changes);
    IF ended IS NOT NULL THEN
        PERFORM dist_add_callbacks(ended);
    END IF;
    RETURN NULL;
END
$$;
