-- +goose Up
-- Prices, and the money of organisations. Money moves in postings, each of
-- which takes an amount from one account and puts it into another, so that
-- every entry sums to zero by its form. Postings, events, changes, prices and
-- snapshots are never changed: triggers that the ledger sets up see to it.

CREATE TABLE prices (
    id TEXT PRIMARY KEY,
    sequence BIGINT NOT NULL, -- of the import
    currency TEXT NOT NULL,
    model TEXT NOT NULL, -- a pattern
    dimension TEXT NOT NULL,
    per BIGINT NOT NULL CHECK (per > 0),
    price BIGINT NOT NULL CHECK (price >= 0),
    tiers TEXT NOT NULL, -- JSON list
    valid_from BIGINT NOT NULL,
    valid_until BIGINT NOT NULL, -- 0 for good
    source TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX prices_sequence ON prices(sequence);

CREATE TABLE price_snapshots (
    id TEXT PRIMARY KEY, -- hash of the body
    body TEXT NOT NULL
);

CREATE TABLE ledger_accounts ( -- what an organisation has: sums of its postings
    org TEXT PRIMARY KEY,
    currency TEXT NOT NULL,
    cash BIGINT NOT NULL, -- below 0 is owed
    promo BIGINT NOT NULL CHECK (promo >= 0), -- out of vouchers; spent first
    held_cash BIGINT NOT NULL CHECK (held_cash >= 0),
    held_promo BIGINT NOT NULL CHECK (held_promo >= 0),
    credit_limit BIGINT NOT NULL CHECK (credit_limit >= 0), -- how much may be owed
    overdraft BIGINT NOT NULL -- 1 if work may cost more than was reserved
);

CREATE TABLE ledger_reservations (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    project TEXT NOT NULL,
    user_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    job TEXT NOT NULL, -- or request
    idempotency_key TEXT NOT NULL,
    digest TEXT NOT NULL, -- of the request
    snapshot TEXT NOT NULL, -- of the prices
    amount BIGINT NOT NULL CHECK (amount >= 0),
    promo BIGINT NOT NULL CHECK (promo >= 0 AND promo <= amount), -- the part held of promo
    state TEXT NOT NULL, -- open, settled, released, expired
    charged BIGINT NOT NULL,
    waived BIGINT NOT NULL, -- used beyond the reservation, and not charged
    overdrawn BIGINT NOT NULL, -- charged beyond the reservation
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT NOT NULL -- 0 while open
);
CREATE INDEX ledger_reservations_open ON ledger_reservations(expires_at) WHERE state = 'open';

CREATE TABLE ledger_postings (
    entry TEXT NOT NULL, -- a reservation or a change
    kind TEXT NOT NULL, -- reserve, settle, release, expire, late, topup, voucher, adjust
    line BIGINT NOT NULL,
    org TEXT NOT NULL,
    source TEXT NOT NULL, -- account that the amount leaves
    target TEXT NOT NULL, -- account that it enters
    amount BIGINT NOT NULL CHECK (amount > 0),
    at BIGINT NOT NULL,
    CHECK (source <> target),
    PRIMARY KEY (entry, kind, line)
);

CREATE TABLE ledger_events ( -- what was used, and what it cost
    id TEXT PRIMARY KEY, -- the reservation and the dimension: each once
    reservation TEXT NOT NULL,
    org TEXT NOT NULL,
    project TEXT NOT NULL,
    user_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    model TEXT NOT NULL,
    job TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    dimension TEXT NOT NULL, -- or waived, whose amount is below 0
    quantity BIGINT NOT NULL,
    price BIGINT NOT NULL,
    per BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX ledger_events_org ON ledger_events(org, at, id);

CREATE TABLE ledger_spend ( -- by day, for limits: sums of events and of open reservations
    owner TEXT NOT NULL, -- org:ID, project:ID, user:ID or key:ID
    day BIGINT NOT NULL, -- since 1970 UTC
    spent BIGINT NOT NULL,
    held BIGINT NOT NULL,
    PRIMARY KEY (owner, day)
);

CREATE TABLE ledger_changes ( -- what people did to an account
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    kind TEXT NOT NULL, -- topup, voucher, adjust, terms
    idempotency_key TEXT NOT NULL, -- of a voucher: its id
    account TEXT NOT NULL, -- cash or promo; '' for terms
    amount BIGINT NOT NULL, -- below 0 takes away
    detail TEXT NOT NULL, -- of terms: JSON
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE UNIQUE INDEX ledger_changes_key ON ledger_changes(org, kind, idempotency_key) WHERE idempotency_key <> '';
CREATE INDEX ledger_changes_org ON ledger_changes(org, at, id);

CREATE TABLE vouchers (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE, -- of the code, which nobody keeps
    hint TEXT NOT NULL, -- its first characters
    currency TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    uses BIGINT NOT NULL CHECK (uses > 0),
    used BIGINT NOT NULL CHECK (used >= 0 AND used <= uses),
    expires_at BIGINT NOT NULL, -- 0 for never
    revoked_at BIGINT NOT NULL, -- 0 for not
    note TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
