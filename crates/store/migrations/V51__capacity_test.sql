-- Tests of the load, which prove the capacity when nobody asked for that much (A17): the account,
-- a sandbox, that calls the sink, its campaign, and what the minute from its first call on came to.
CREATE TABLE capacity_test (
    month_us BIGINT NOT NULL,
    n BIGINT NOT NULL CHECK (n > 0),
    account_id BIGINT NOT NULL REFERENCES account (id),
    begun_at_us BIGINT NOT NULL,
    campaign_id BIGINT REFERENCES campaign (id),
    ended_at_us BIGINT,
    minute_from_us BIGINT,
    waiting BIGINT,
    starts BIGINT,
    PRIMARY KEY (month_us, n)
);
