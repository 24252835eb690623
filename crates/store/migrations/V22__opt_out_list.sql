-- An account's own list is read without going through the country's.
CREATE INDEX opt_out_of_list ON opt_out (list, account_id, number)
WHERE removed_version IS NULL;
