-- Whose money a call took, so that an account's ledger is read by time; null where a call took none.
ALTER TABLE outcome ADD COLUMN account_id BIGINT;
UPDATE outcome
SET account_id = (SELECT q.account_id FROM quick_send q WHERE q.id = outcome.quick_send_id)
WHERE charge_rials > 0;
CREATE INDEX outcome_charged ON outcome (account_id, ended_at_us, quick_send_id, n, charge_rials)
WHERE account_id IS NOT NULL;
CREATE INDEX sms_charged ON sms (account_id, ended_at_us, id) WHERE charge_rials > 0;
