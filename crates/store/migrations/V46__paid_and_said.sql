-- When the bank or the gateway says that a payment was paid, if it does.
ALTER TABLE payment ADD COLUMN paid_at_us BIGINT;
-- An invoice is paid when its money was, and noted when we learn of it.
ALTER TABLE invoice ADD COLUMN noted_at_us BIGINT;
UPDATE invoice SET noted_at_us = paid_at_us WHERE paid_at_us IS NOT NULL;
-- Whether a code's customer wrote what is said around its digits; of older ones it is not known.
ALTER TABLE code ADD COLUMN own_words BIGINT NOT NULL DEFAULT 1;
