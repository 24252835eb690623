-- When the next call of a campaign with a pace would be exactly on it, all nodes together: taken under
-- the lock of its row, before a call of it is leased.
ALTER TABLE campaign ADD COLUMN pace_free_us BIGINT NOT NULL DEFAULT 0;
