-- Since when a message that its account approved by itself is wanted for a class that asks a member of
-- staff to listen; such messages wait for staff, too.
ALTER TABLE message ADD COLUMN wanted_at_us BIGINT;
CREATE INDEX message_wanted ON message (id)
WHERE wanted_at_us IS NOT NULL AND decided_at_us IS NULL AND deleted_at_us IS NULL;
