-- A version of the desk's hours can be taken back before it holds. It stays to be seen.
ALTER TABLE opening_hours ADD COLUMN withdrawn_at_us BIGINT;
ALTER TABLE opening_hours ADD COLUMN withdrawn_by TEXT;

-- Where an outage came from, as somebody said it; of several the last one counts. Rows never change.
CREATE TABLE outage_cause (
    outage_id BIGINT NOT NULL REFERENCES outage (id),
    n BIGINT NOT NULL,
    cause TEXT NOT NULL,
    because TEXT NOT NULL,
    author TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (outage_id, n)
);
