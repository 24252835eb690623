-- Personal messages. A template is a message that plays clips and values in an order; `length_ms`
-- is then the longest that it may play, and `blob` is empty.
ALTER TABLE message ADD COLUMN template TEXT;
ALTER TABLE message ADD COLUMN voice TEXT;

-- What is said to a recipient of a campaign alone: `given` are its values, one a line, in the order
-- of the template. `sound` names the audio that is played one after the other, with + between two
-- names: NULL before the values were spoken, empty when they cannot be.
CREATE TABLE personal (
    recipient_id BIGINT PRIMARY KEY,
    given TEXT NOT NULL,
    sound TEXT,
    length_ms BIGINT
);
