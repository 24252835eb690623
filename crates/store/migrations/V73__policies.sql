-- How a caller is called back, as the agreement said when he came: how often, after how many minutes
-- again, and how many minutes of this window and of the next one count.
ALTER TABLE support_call ADD COLUMN callback TEXT NOT NULL DEFAULT '3 10 15 60';

-- Months that only evidence can decide any more.
CREATE INDEX month_statement_undetermined ON month_statement (month, account_id)
    WHERE verdict = 'undetermined';
