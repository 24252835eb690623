-- The audit of the books that runs by itself: one row for each day in Tehran, which the node that
-- writes it first makes. Of one whose node died the end is wanting, and another node begins it anew.
CREATE TABLE ledger_audit (
    day_us BIGINT PRIMARY KEY,
    began_at_us BIGINT NOT NULL,
    ended_at_us BIGINT,
    violations BIGINT NOT NULL DEFAULT 0 CHECK (violations >= 0),
    detail TEXT NOT NULL DEFAULT ''
);
