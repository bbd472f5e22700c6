-- Rules: which of them named the target of a delivery, and where they took the place of what the request names.

ALTER TABLE distribution_deliveries ADD COLUMN rule varchar(100);
COMMENT ON COLUMN distribution_deliveries.rule IS 'that named the target; NULL: the request did, or nobody';

ALTER TABLE distribution_jobs ADD COLUMN replaced boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN distribution_jobs.replaced IS
    'the destinations are what the request names, and rules took their place: they need not have deliveries';
