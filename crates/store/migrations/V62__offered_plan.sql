-- Since when all may take a plan by themselves. NULL: only staff gives it to an account, as it has
-- been with every plan until now.
ALTER TABLE plan ADD COLUMN offered_at_us BIGINT;
