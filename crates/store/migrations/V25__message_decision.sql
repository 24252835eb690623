-- What a member of staff decided about a message, when, and why it may not be sent.
ALTER TABLE message ADD COLUMN decided_at_us BIGINT;
ALTER TABLE message ADD COLUMN refused_because TEXT;
-- What waits to be listened to, the oldest first.
CREATE INDEX message_waiting ON message (id)
WHERE approval IN (0, 3) AND deleted_at_us IS NULL;
