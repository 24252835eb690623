-- What a campaign with a ceiling had come to before SMS counted below it: calls, what had been written
-- and what may be written to whoever was called or waits for another try. It is not held to less.
ALTER TABLE campaign ADD COLUMN cost_before_rials BIGINT NOT NULL DEFAULT 0
    CHECK (cost_before_rials >= 0);
UPDATE campaign SET cost_before_rials = charged_rials + held_rials
    + COALESCE((SELECT f.price_rials FROM follow_up f WHERE f.id = campaign.follow_up_id), 0)
      * (open_count + retrying
         + (SELECT COUNT(*) FROM sms s
            WHERE s.follow_up_id = campaign.follow_up_id AND s.state IN ('due', 'sent')))
WHERE max_cost_rials IS NOT NULL AND follow_up_id IS NOT NULL;
