-- Whom an open attempt reaches, and whom its second leg: nobody is in two calls at once, whichever
-- node places them. The row goes with its call, so what it holds cannot be forgotten. Null in
-- attempts that an earlier program began, and in the second column where there is one leg.
ALTER TABLE attempt ADD COLUMN callee TEXT;
ALTER TABLE attempt ADD COLUMN second_callee TEXT;
CREATE UNIQUE INDEX attempt_callee ON attempt (callee);
CREATE UNIQUE INDEX attempt_second_callee ON attempt (second_callee)
WHERE second_callee IS NOT NULL;

-- Since when a node's lease has lasted without a gap: nodes that live share the caps of trunks, and
-- one that has just come waits until the others know of it.
ALTER TABLE node ADD COLUMN joined_at_us BIGINT NOT NULL DEFAULT 0;
