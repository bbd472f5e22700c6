-- What is done for every report costs less.

-- Microseconds to and from timestamptz by double precision: exact until the year 2106 (2^32 s), and off by microseconds
-- after it; numeric takes several times as long.
CREATE OR REPLACE FUNCTION dist_time(us bigint) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT to_timestamp(us::double precision / 1000000) $$;

CREATE OR REPLACE FUNCTION dist_us(t timestamptz) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT round(date_part('epoch', t) * 1000000)::bigint $$;

-- Counting for the jobs, which is done for every delivery that begins or ends: a job is read once and not twice, and
-- found by its id also where a plan was made while there were none.
CREATE OR REPLACE FUNCTION dist_count(ids uuid[], totals integer[], opens integer[], delivereds integer[],
                                      deads integer[], expireds integer[], cancelleds integer[], reopens boolean[])
    RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    ended uuid[];
BEGIN
    PERFORM 1 FROM distribution_jobs WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE;
    WITH changed AS (
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
        FROM unnest(ids, totals, opens, delivereds, deads, expireds, cancelleds, reopens)
             AS d (id, total, open, delivered, dead, expired, cancelled, reopened)
        WHERE j.id = d.id AND j.id = ANY (ids)
        RETURNING j.id, j.callback_url, j.open_deliveries
    )
    SELECT array_agg(id) INTO ended FROM changed WHERE callback_url IS NOT NULL AND open_deliveries = 0;
    IF ended IS NOT NULL THEN
        PERFORM dist_add_callbacks(ended);
    END IF;
END
$$;

-- Old and new rows are added up, and not joined: the planner, who knows nothing of them, did that in a loop within a loop.
CREATE OR REPLACE FUNCTION dist_deliveries_updated() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    d record;
BEGIN
    SELECT array_agg(c.job_id) AS ids, array_agg(0) AS totals, array_agg(c.open) AS opens,
           array_agg(c.delivered) AS delivereds, array_agg(c.dead) AS deads, array_agg(c.expired) AS expireds,
           array_agg(c.cancelled) AS cancelleds, array_agg(c.reopened) AS reopens
    INTO d
    FROM (SELECT m.job_id, sum(m.open)::integer AS open, sum(m.delivered)::integer AS delivered,
                 sum(m.dead)::integer AS dead, sum(m.expired)::integer AS expired,
                 sum(m.cancelled)::integer AS cancelled, bool_or(m.open > 0) AS reopened
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
    IF d.ids IS NOT NULL THEN
        PERFORM dist_count(d.ids, d.totals, d.opens, d.delivereds, d.deads, d.expireds, d.cancelleds, d.reopens);
    END IF;
    RETURN NULL;
END
$$;
