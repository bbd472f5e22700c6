-- What Redis knows of an id no longer says who holds it, and what is there in the former form counts as absent. As if Redis
-- were new, everything that is open is published again at once, and not only when its lease has passed.
DELETE FROM dist_state WHERE key LIKE 'redis_epoch:%';
