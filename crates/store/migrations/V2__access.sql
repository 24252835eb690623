-- From where, how and for what the web services may be used. NULL everywhere allows what V1 did.
-- Flags are nullable times; lists are texts with commas, kept and read by domain/src/access.rs.
ALTER TABLE account ADD COLUMN mobile_unverified_at_us BIGINT;
ALTER TABLE account ADD COLUMN service_denied_at_us BIGINT;
ALTER TABLE account ADD COLUMN service_blocked_at_us BIGINT;
ALTER TABLE account ADD COLUMN https_only_at_us BIGINT;
ALTER TABLE account ADD COLUMN allowed_networks TEXT;
ALTER TABLE account ADD COLUMN allowed_methods TEXT;
ALTER TABLE token ADD COLUMN allowed_networks TEXT;
ALTER TABLE token ADD COLUMN allowed_methods TEXT;
