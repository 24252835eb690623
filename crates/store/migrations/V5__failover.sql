-- Trunks that stand in for each other also when one fails, and regions that a client may ask for.

-- How often the trunk is pinged, in seconds; 0 for never, NULL as the rules say. The regional
-- servers that it is one of, with commas.
ALTER TABLE trunk ADD COLUMN ping_interval_s BIGINT;
ALTER TABLE trunk ADD COLUMN server_ids TEXT;

-- The regional server that the client asked for; NULL leaves the route to us.
ALTER TABLE quick_send ADD COLUMN server_id BIGINT;

-- How each node sees each of its trunks, as it last changed.
CREATE TABLE trunk_health (
    node TEXT NOT NULL,
    trunk TEXT NOT NULL,
    condition TEXT NOT NULL,
    since_us BIGINT NOT NULL,
    until_us BIGINT,
    PRIMARY KEY (node, trunk)
);
