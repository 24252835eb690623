-- The story of each attempt, for support: its signalling and what happened when. A table of
-- its own, so that outcomes stay small and stories can be forgotten earlier. `attempt` is the send's
-- id and the attempt's number in one, so that stories lie in the order of their age; `rungs` is
-- crates/engine/src/ladder.rs, with times from `began_at_us` on.
CREATE TABLE ladder (
    attempt BIGINT PRIMARY KEY,
    server TEXT,
    began_at_us BIGINT NOT NULL,
    rungs BYTEA NOT NULL
);
