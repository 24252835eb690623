-- Callees' voices: who may record them, for how long a send does, and what became of it.

ALTER TABLE account ADD COLUMN recording_permitted_at_us BIGINT;

ALTER TABLE quick_send ADD COLUMN record_ms BIGINT;

-- The recording of a send's answered attempt. `started` holds until its audio is in the blob store or
-- is known to be lost; `node` is where the audio lies until then.
CREATE TABLE recording (
    quick_send_id BIGINT PRIMARY KEY,
    n BIGINT NOT NULL,
    node TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('started', 'ready', 'failed')),
    blob TEXT NOT NULL,
    length_ms BIGINT NOT NULL,
    error TEXT,
    started_at_us BIGINT NOT NULL,
    ended_at_us BIGINT
);
CREATE INDEX recording_of_node ON recording (node, state);
