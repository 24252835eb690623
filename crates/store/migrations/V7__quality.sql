-- What was counted of a call's sound, and what its peer reported of ours (RTCP). Null: it was not
-- answered, or the peer reported nothing.
ALTER TABLE outcome ADD COLUMN rtp_sent BIGINT;
ALTER TABLE outcome ADD COLUMN rtp_received BIGINT;
ALTER TABLE outcome ADD COLUMN rtp_lost BIGINT;
ALTER TABLE outcome ADD COLUMN rtp_jitter_us BIGINT;
ALTER TABLE outcome ADD COLUMN peer_lost BIGINT;
ALTER TABLE outcome ADD COLUMN peer_jitter_us BIGINT;
ALTER TABLE outcome ADD COLUMN round_trip_us BIGINT;
