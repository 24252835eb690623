-- Months of accounts that are to be computed again, as what they were computed from may have changed
-- since they were written down: noted with the change, worked off afterwards, and then forgotten.
CREATE TABLE month_review (
    account_id BIGINT NOT NULL REFERENCES account (id),
    month TEXT NOT NULL,
    noted_at_us BIGINT NOT NULL,
    because TEXT NOT NULL,
    PRIMARY KEY (account_id, month)
);
