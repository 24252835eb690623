-- The user name and password of the SOAP services. NULL: the account has tokens only. The name is
-- kept as domain/src/user_name.rs writes it; the hash is a PHC string of Argon2id.
ALTER TABLE account ADD COLUMN user_name TEXT;
ALTER TABLE account ADD COLUMN password_hash TEXT;
CREATE UNIQUE INDEX account_user_name ON account (user_name);
