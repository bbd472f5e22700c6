-- Rules: which of them named the target of a delivery.

ALTER TABLE distribution_deliveries ADD COLUMN rule varchar(100);
COMMENT ON COLUMN distribution_deliveries.rule IS 'that named the target; NULL: the request did, or nobody';
