-- Since when a frozen month waits for somebody to look at it: what touches it again later moves
-- when it is due as little as whoever waits longer.
ALTER TABLE month_touched ADD COLUMN since_us BIGINT NOT NULL DEFAULT 0;
UPDATE month_touched SET since_us = noted_at_us;

-- The credits that a committee has, without reading all moves of all credits.
CREATE INDEX credit_move_handed ON credit_move (credit_id) WHERE move = 'handed_over';

-- Whom an announcement is for: nothing is everybody, 'manager' who oversees the agreement.
ALTER TABLE announcement ADD COLUMN audience TEXT;
