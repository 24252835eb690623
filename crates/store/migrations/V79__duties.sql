-- What was declared not to have been normal is taken back by somebody, for a reason: it stays to be
-- seen, and takes no samples any more.
ALTER TABLE abnormal_period ADD COLUMN withdrawn_at_us BIGINT;
ALTER TABLE abnormal_period ADD COLUMN withdrawn_by TEXT;
ALTER TABLE abnormal_period ADD COLUMN withdrawn_because TEXT;

-- Since when the machine has seen that an account has to prove who its owner is, and that this is
-- the customer's turn. The row goes when that is proven, or waits for us.
CREATE TABLE identity_missing (
    account_id BIGINT NOT NULL PRIMARY KEY REFERENCES account (id),
    since_us BIGINT NOT NULL
);
