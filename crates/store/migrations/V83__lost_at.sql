-- When another process took the node of an open attempt: since then at the latest nobody has its call
-- in hand, and after a bounded time it cannot be up any more, however often the node is taken again.
ALTER TABLE attempt ADD COLUMN lost_at_us BIGINT;
