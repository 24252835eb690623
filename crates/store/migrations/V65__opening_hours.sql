-- The hours of the desk's calendars as the operator has written them down after those of the
-- agreement, in versions that never change. The day is its first moment in Tehran.
CREATE TABLE opening_hours (
    kind TEXT NOT NULL CHECK (kind IN ('business', 'support')),
    number BIGINT NOT NULL CHECK (number > 1),
    valid_from_us BIGINT NOT NULL,
    rest_days TEXT NOT NULL,
    ordinary_hours TEXT NOT NULL,
    off_hours TEXT NOT NULL,
    entered_at_us BIGINT NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY (kind, number)
);
