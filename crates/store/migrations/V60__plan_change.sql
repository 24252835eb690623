-- Which plan a subscription has from when on, after its first: of those whose time has come the
-- last decision holds. What is asked for the rest of a period stands on the invoice with the line.
CREATE TABLE plan_change (
    subscription_id BIGINT NOT NULL REFERENCES subscription (id),
    n BIGINT NOT NULL CHECK (n > 0),
    plan_id BIGINT NOT NULL REFERENCES plan (id),
    from_us BIGINT NOT NULL,
    first_month TEXT NOT NULL,
    rest_rials BIGINT NOT NULL CHECK (rest_rials >= 0),
    decided_at_us BIGINT NOT NULL,
    actor TEXT NOT NULL,
    PRIMARY KEY (subscription_id, n)
);

CREATE TABLE invoice_line (
    invoice_id BIGINT NOT NULL REFERENCES invoice (id),
    change_n BIGINT NOT NULL,
    amount_rials BIGINT NOT NULL CHECK (amount_rials > 0),
    PRIMARY KEY (invoice_id, change_n)
);
