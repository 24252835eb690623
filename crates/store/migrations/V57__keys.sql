-- The keys that a callee pressed, in their order; NULL when none was, or none was asked for.
ALTER TABLE outcome ADD COLUMN keys TEXT;
