-- What Redis knows of an id is written in another form, and what is there in the former one counts as absent. As if Redis
-- were new, everything that is open is published again at once, and not only when its lease has passed.
DELETE FROM dist_state WHERE key LIKE 'redis_epoch:%';
