-- +goose Up
-- Who changed what. Rows are added and never changed; each holds the hash of
-- the one before, so that a change shows.

CREATE TABLE audit_log (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    org TEXT NOT NULL, -- '' for what concerns the installation
    actor TEXT NOT NULL, -- user, key, or 'operator' for the command line
    action TEXT NOT NULL, -- such as key.create
    object TEXT NOT NULL,
    detail TEXT NOT NULL, -- JSON, without secrets
    ip TEXT NOT NULL,
    previous TEXT NOT NULL, -- hash of the row before, '' for the first
    hash TEXT NOT NULL
);
CREATE INDEX audit_log_org ON audit_log(org, seq);

CREATE TABLE audit_head ( -- the last row, which all writers lock
    one TEXT PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_head (one, seq, hash) VALUES ('head', 0, '');
