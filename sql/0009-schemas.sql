-- Dead letters of a body that does not fit the schema of its destination.

ALTER TABLE distribution_deliveries
    DROP CONSTRAINT distribution_deliveries_dead,
    ADD CONSTRAINT distribution_deliveries_dead CHECK (
        (status = 'dead') = (dead_reason IS NOT NULL)
        AND dead_reason IN ('rejected', 'exhausted', 'unroutable', 'transform', 'schema', 'poison'));
