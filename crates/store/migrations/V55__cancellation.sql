-- Since when an attempt is to be hung up, as its customer asks; and a send that came back to the line
-- meanwhile is not to be called again.
ALTER TABLE attempt ADD COLUMN cancelled_at_us BIGINT;
ALTER TABLE ready ADD COLUMN cancelled_at_us BIGINT;
CREATE INDEX attempt_cancelled ON attempt (quick_send_id) WHERE cancelled_at_us IS NOT NULL;
