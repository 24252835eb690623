-- Frozen months whose figures may be others by now, as an outage or other evidence of them changed:
-- noted in the commit of that change, and taken off by a revision that somebody signs. Account 0 is
-- the platform.
CREATE TABLE month_touched (
    account_id BIGINT NOT NULL,
    month TEXT NOT NULL,
    noted_at_us BIGINT NOT NULL,
    because TEXT NOT NULL,
    PRIMARY KEY (month, account_id)
);

-- Who is in a group because of attempts around an outage of it, and until when attempts were looked
-- through for an outage.
ALTER TABLE group_member ADD COLUMN outage_id BIGINT REFERENCES outage (id);
CREATE INDEX group_member_found ON group_member (outage_id) WHERE outage_id IS NOT NULL;
ALTER TABLE outage ADD COLUMN attempts_until_us BIGINT;
