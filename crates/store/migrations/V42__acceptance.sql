-- Which version of the agreement an account accepted, when, and from which address. Only added to.
CREATE TABLE agreement_acceptance (
    account_id BIGINT NOT NULL REFERENCES account (id),
    version BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    address TEXT,
    PRIMARY KEY (account_id, version)
);
