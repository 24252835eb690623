-- What was asked under an idempotency key: written before its sends, which have references made of
-- the same key, and kept as long as they are.
CREATE TABLE request (
    account_id BIGINT NOT NULL REFERENCES account (id),
    key_hash BYTEA NOT NULL,
    body_hash BYTEA NOT NULL,
    asked_at_us BIGINT NOT NULL,
    PRIMARY KEY (account_id, key_hash)
);
