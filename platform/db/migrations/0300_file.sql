-- +goose Up
-- Files, and how many of them share the bytes in the blob store.

CREATE TABLE blobs (
    sha256 TEXT PRIMARY KEY,
    bytes BIGINT NOT NULL,
    refs BIGINT NOT NULL,
    since BIGINT NOT NULL -- when refs became 0
);
CREATE INDEX blobs_refs ON blobs(refs, since);

CREATE TABLE files (
    id BIGINT PRIMARY KEY, -- below 2^53, since clients keep it as a float; rises with time
    org TEXT NOT NULL,
    project TEXT NOT NULL,
    user_id TEXT NOT NULL,
    job TEXT NOT NULL, -- '' for uploads
    purpose TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL -- 0: never
);
CREATE INDEX files_org ON files(org, id);
CREATE INDEX files_expires ON files(expires);
CREATE INDEX files_job ON files(job);
