-- The events of one call: kinds 1 to 4 are those of messages and their recordings.
CREATE INDEX event_of_call ON event (account_id, subject_id, n) WHERE kind <= 4;
