-- The campaign that was made under an idempotency key, in the commit that made it: asked again, the
-- same campaign is answered, and numbers that a killed process did not keep any more are kept then.
ALTER TABLE request ADD COLUMN campaign_id BIGINT;
