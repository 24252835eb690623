-- How many calls of a campaign start in a minute at the most, if its customer asks for that; and
-- before when its next recipient may not be called, so that a restart brings no burst.
ALTER TABLE campaign ADD COLUMN calls_per_minute BIGINT CHECK (calls_per_minute > 0);
ALTER TABLE campaign ADD COLUMN pace_due_us BIGINT NOT NULL DEFAULT 0;
