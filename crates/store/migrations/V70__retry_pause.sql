-- The shortest pause between two tries at a recipient of a campaign, by the policy of its class.
ALTER TABLE class_policy ADD COLUMN retry_minutes BIGINT NOT NULL DEFAULT 0
    CHECK (retry_minutes >= 0);
