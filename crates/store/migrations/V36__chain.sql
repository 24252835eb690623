-- Evidence that cannot be bent: every legal fact and every deed of staff has an entry, and each
-- entry seals the one before it. An entry is only added; `note` alone may be blanked, since the
-- seal is over its digest. Hashes are hex digits.
CREATE TABLE chain_entry (
    n BIGINT PRIMARY KEY,
    at_us BIGINT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    actor TEXT NOT NULL,
    note TEXT,
    digest TEXT NOT NULL,
    seal TEXT NOT NULL UNIQUE
);
CREATE INDEX chain_entry_of ON chain_entry (subject, n);
CREATE INDEX chain_entry_kind ON chain_entry (kind, n);

-- The last entry; whoever adds one locks this row.
CREATE TABLE chain_head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    n BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    seal TEXT NOT NULL
);
INSERT INTO chain_head (id, n, at_us, seal) VALUES (1, 0, 0, '');

-- What each node last found: how far its clock is ahead of the database's, and whether the chain
-- is another than the one that it has seen.
CREATE TABLE chain_node (
    node TEXT PRIMARY KEY,
    heard_at_us BIGINT NOT NULL,
    clock_ahead_us BIGINT NOT NULL,
    broken TEXT
);
