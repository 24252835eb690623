-- The account whose sandbox this one is; NULL: it is none. Its money is play money, and its calls go
-- to the sandbox carrier alone.
ALTER TABLE account ADD COLUMN sandbox_of BIGINT REFERENCES account (id);
CREATE UNIQUE INDEX account_sandbox ON account (sandbox_of);
