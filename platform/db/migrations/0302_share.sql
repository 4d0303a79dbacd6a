-- +goose Up
-- Addresses by which others see a thing without a key, until they are taken back.

CREATE TABLE shares (
    id TEXT PRIMARY KEY,
    project TEXT NOT NULL, -- whose thing it is
    thing TEXT NOT NULL, -- a clip's job
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX shares_project ON shares(project, created);
CREATE INDEX shares_expires ON shares(expires);
