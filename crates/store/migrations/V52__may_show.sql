-- The numbers that a trunk's carrier lets us show in place of the trunk's own: a list with commas.
-- NULL and empty: any that the operator gives to an account or a class.
ALTER TABLE trunk ADD COLUMN may_show TEXT;
