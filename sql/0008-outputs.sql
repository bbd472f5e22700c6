-- What is sent to a destination, where that is not what was submitted.

ALTER TABLE distribution_deliveries
    ADD COLUMN rendering jsonb,
    ADD COLUMN outputs jsonb;
COMMENT ON COLUMN distribution_deliveries.rendering IS
    'members of a rendering that a rule gave it, in front of the destination''s; else NULL';
COMMENT ON COLUMN distribution_deliveries.outputs IS
    'bytes of its rows of distribution_outputs by their destinations, while it is open; NULL: the body itself is sent';

-- Made once for a destination, so that each attempt sends the same bytes.
CREATE TABLE distribution_outputs (
    delivery_id     uuid NOT NULL REFERENCES distribution_deliveries (id) ON DELETE CASCADE,
    destination     text NOT NULL,
    content_type    text NOT NULL,
    headers         jsonb,
    body            bytea NOT NULL,

    PRIMARY KEY (delivery_id, destination)
) WITH (autovacuum_vacuum_scale_factor = 0.02);
DO $$
BEGIN
    ALTER TABLE distribution_outputs ALTER COLUMN body SET COMPRESSION lz4; -- as in 0001
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;
COMMENT ON COLUMN distribution_outputs.headers IS 'fields that belong to the format; NULL: none';

-- They end with the delivery: a replay makes new ones. The condition is all that it costs those without outputs.
CREATE FUNCTION dist_end_outputs() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM distribution_outputs WHERE delivery_id = NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER dist_outputs_ended AFTER UPDATE OF status ON distribution_deliveries
    FOR EACH ROW WHEN (OLD.outputs IS NOT NULL AND NEW.status NOT IN ('waiting', 'queued'))
    EXECUTE FUNCTION dist_end_outputs();
