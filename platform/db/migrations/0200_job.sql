-- +goose Up
-- Durable jobs. A row of jobs is the whole truth about a job; what stands
-- beside it can be made again, save job_events, which watchers resume from.

CREATE TABLE jobs (
    id TEXT PRIMARY KEY, -- sorts by time
    org TEXT NOT NULL,
    project TEXT NOT NULL,
    user_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    kind TEXT NOT NULL, -- such as video
    model TEXT NOT NULL,
    body TEXT NOT NULL, -- JSON: what is to be made
    meta TEXT NOT NULL, -- JSON: what the submitter wants to find again
    idempotency_key TEXT, -- NULL: none
    request_hash TEXT NOT NULL,
    state TEXT NOT NULL,
    priority BIGINT NOT NULL,
    share TEXT NOT NULL, -- tenants take turns by it
    attempt BIGINT NOT NULL, -- counts claims: the fencing token
    failures BIGINT NOT NULL,
    allowed BIGINT NOT NULL,
    cancelling BIGINT NOT NULL,
    dead BIGINT NOT NULL,
    not_before BIGINT NOT NULL,
    expires BIGINT NOT NULL, -- 0: never
    worker TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    beats BIGINT NOT NULL, -- signs of life, whatever the clock says
    progress TEXT NOT NULL, -- JSON
    result TEXT NOT NULL, -- JSON, '' before the end
    error_code TEXT NOT NULL,
    error_message TEXT NOT NULL,
    cause TEXT NOT NULL, -- for operators alone
    version BIGINT NOT NULL, -- counts changes of state
    created BIGINT NOT NULL,
    started BIGINT NOT NULL, -- of the latest attempt
    ended BIGINT NOT NULL
);
CREATE UNIQUE INDEX jobs_idempotency ON jobs(org, idempotency_key);
CREATE INDEX jobs_queue ON jobs(state, priority, share, id);
CREATE INDEX jobs_org ON jobs(org, id);
CREATE INDEX jobs_expires ON jobs(state, expires);

CREATE TABLE job_shares (
    share TEXT PRIMARY KEY,
    turn BIGINT NOT NULL -- when it was served last; the smallest is next
);
CREATE INDEX job_shares_turn ON job_shares(turn, share);

CREATE TABLE job_events (
    job TEXT NOT NULL,
    version BIGINT NOT NULL,
    state TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (job, version)
);

CREATE TABLE job_outputs (
    job TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (job, attempt, name)
);

CREATE TABLE job_previews (
    job TEXT PRIMARY KEY,
    attempt BIGINT NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL -- base64
);

CREATE TABLE job_pace (
    model TEXT PRIMARY KEY,
    mean BIGINT NOT NULL, -- microseconds of work
    samples BIGINT NOT NULL
);

CREATE TABLE job_workers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    slots BIGINT NOT NULL,
    seen BIGINT NOT NULL
);

CREATE TABLE job_tokens (
    hash TEXT PRIMARY KEY, -- SHA-256 of the token
    name TEXT NOT NULL,
    created BIGINT NOT NULL,
    revoked BIGINT NOT NULL -- 0: good
);
