-- How far what an account may spend may go below zero, and how far it was when that was last set: a
-- debt above a lowered limit stays, and nothing is added to it.
ALTER TABLE account ADD COLUMN debt_limit_rials BIGINT NOT NULL DEFAULT 0
    CHECK (debt_limit_rials >= 0);
ALTER TABLE account ADD COLUMN debt_before_rials BIGINT NOT NULL DEFAULT 0;
