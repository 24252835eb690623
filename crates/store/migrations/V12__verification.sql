-- One-click verification: whom to tell which key was pressed.

-- With what callbacks of the account are signed; NULL: they are not.
ALTER TABLE account ADD COLUMN callback_secret TEXT;

-- Written before its send, which has the same reference; told once that send has ended.
CREATE TABLE verification (
    reference TEXT PRIMARY KEY,
    account_id BIGINT NOT NULL REFERENCES account (id),
    code BIGINT NOT NULL CHECK (code BETWEEN 1 AND 9),
    callback_url TEXT NOT NULL,
    tries BIGINT NOT NULL,
    next_try_at_us BIGINT,
    last_answer TEXT
);
CREATE INDEX verification_due ON verification (next_try_at_us)
WHERE next_try_at_us IS NOT NULL;
