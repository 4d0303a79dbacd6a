-- +goose Up
-- Promotion that ends: a voucher can say how long what it gave lasts.

ALTER TABLE vouchers ADD COLUMN credit_days BIGINT NOT NULL DEFAULT 0; -- 0 for good

CREATE TABLE ledger_grants ( -- promotion that ends
    change_id TEXT PRIMARY KEY, -- that gave it
    org TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    expires_at BIGINT NOT NULL,
    lapsed_at BIGINT NOT NULL -- 0 for not yet
);
CREATE INDEX ledger_grants_due ON ledger_grants(lapsed_at, expires_at);
CREATE INDEX ledger_grants_org ON ledger_grants(org, expires_at);
