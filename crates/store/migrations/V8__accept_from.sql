-- From where a trunk calls us.

-- Networks beside the addresses of the trunk's servers, with commas; NULL names none.
ALTER TABLE trunk ADD COLUMN accept_from TEXT;
