-- +goose Up
-- Where organisations want to be told, and what was told.

CREATE TABLE webhook_endpoints (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    url TEXT NOT NULL,
    secret TEXT NOT NULL, -- whsec_…
    events TEXT NOT NULL, -- JSON list; [] is all
    failures BIGINT NOT NULL, -- in a row
    disabled BIGINT NOT NULL, -- when; 0: enabled
    created BIGINT NOT NULL
);
CREATE INDEX webhook_endpoints_org ON webhook_endpoints(org, id);

CREATE TABLE webhook_deliveries (
    id TEXT PRIMARY KEY, -- sorts by time
    org TEXT NOT NULL,
    endpoint TEXT NOT NULL, -- '' for the call-back of a request
    url TEXT NOT NULL,
    job TEXT NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL, -- waiting, delivered, failed
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    status BIGINT NOT NULL, -- of HTTP, of the last attempt; 0: no answer
    error TEXT NOT NULL,
    created BIGINT NOT NULL,
    ended BIGINT NOT NULL
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries(state, next_at);
CREATE INDEX webhook_deliveries_org ON webhook_deliveries(org, id);
CREATE INDEX webhook_deliveries_job ON webhook_deliveries(job, url, state, id);

CREATE TABLE webhook_attempts (
    delivery TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    at BIGINT NOT NULL,
    micros BIGINT NOT NULL, -- that it took
    status BIGINT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (delivery, attempt)
);
