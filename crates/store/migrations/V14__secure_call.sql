-- Secure calls: two people talk through us. Who may place them, and what must be on the account.

ALTER TABLE account ADD COLUMN secure_calls_at_us BIGINT;
ALTER TABLE tariff ADD COLUMN secure_minimum_rials BIGINT NOT NULL DEFAULT 10000
    CHECK (secure_minimum_rials >= 0);

-- Who is rung once the destination has answered. Then clip_ms is how long both may talk, and the
-- message is what the first one hears meanwhile.
ALTER TABLE quick_send ADD COLUMN second_destination TEXT;
