-- What a committee looks at: who came to the support line in a time.
CREATE INDEX support_call_joined ON support_call (joined_at_us, id);
