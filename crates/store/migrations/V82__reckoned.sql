-- Under what the last statement of a month was reckoned to see what it pays back: by which schedule,
-- and whether the time for evidence was over. Who is here under the same is not looked at again.
CREATE TABLE month_reckoned (
    account_id BIGINT NOT NULL,
    month TEXT NOT NULL,
    revision BIGINT NOT NULL,
    schedule BIGINT NOT NULL,
    is_late BIGINT NOT NULL,
    PRIMARY KEY (month, account_id)
);
