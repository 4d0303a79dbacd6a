-- +goose Up
-- Accounts: who may do what. Secrets are here as hashes alone.

CREATE TABLE organisations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    status TEXT NOT NULL, -- active, suspended
    created_at BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL REFERENCES organisations(id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX projects_org ON projects(org, id);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE, -- lower case
    name TEXT NOT NULL,
    password TEXT NOT NULL DEFAULT '', -- argon2id in PHC form; '' if none
    operator BIGINT NOT NULL DEFAULT 0, -- 1 for who runs the installation
    status TEXT NOT NULL, -- active, disabled
    created_at BIGINT NOT NULL
);

CREATE TABLE identities ( -- logins at an OpenID issuer
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users(id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);

CREATE TABLE memberships (
    org TEXT NOT NULL REFERENCES organisations(id),
    user_id TEXT NOT NULL REFERENCES users(id),
    role TEXT NOT NULL, -- owner, admin, member, viewer
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org, user_id)
);
CREATE INDEX memberships_user ON memberships(user_id);

CREATE TABLE invitations (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL REFERENCES organisations(id),
    email TEXT NOT NULL,
    role TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    accepted_at BIGINT NOT NULL DEFAULT 0,
    revoked_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX invitations_org ON invitations(org, id);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL REFERENCES organisations(id),
    project TEXT NOT NULL REFERENCES projects(id),
    user_id TEXT NOT NULL DEFAULT '', -- whose key it is; '' for a service's
    name TEXT NOT NULL,
    hint TEXT NOT NULL, -- the first characters, to tell keys apart
    hash TEXT NOT NULL UNIQUE,
    old_hash TEXT NOT NULL DEFAULT '', -- before the last rotation,
    old_until BIGINT NOT NULL DEFAULT 0, -- which still counts until then
    scopes TEXT NOT NULL, -- JSON list
    models TEXT NOT NULL, -- JSON list; [] for all
    networks TEXT NOT NULL, -- JSON list of CIDR; [] for everywhere
    operator BIGINT NOT NULL DEFAULT 0,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL DEFAULT 0,
    revoked_at BIGINT NOT NULL DEFAULT 0,
    used_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX api_keys_org ON api_keys(org, id);
CREATE INDEX api_keys_old ON api_keys(old_hash);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users(id),
    hash TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL DEFAULT 0,
    ip TEXT NOT NULL,
    agent TEXT NOT NULL
);
CREATE INDEX sessions_user ON sessions(user_id);

CREATE TABLE login_states ( -- logins at an OpenID issuer that have begun
    hash TEXT PRIMARY KEY,
    nonce TEXT NOT NULL,
    verifier TEXT NOT NULL,
    invitation TEXT NOT NULL DEFAULT '', -- hash of the one that is accepted by it
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE idempotency ( -- replies to creations, by caller and key
    caller TEXT NOT NULL,
    key TEXT NOT NULL,
    digest TEXT NOT NULL, -- of the request
    object TEXT NOT NULL, -- the identifier that was made
    created_at BIGINT NOT NULL,
    PRIMARY KEY (caller, key)
);
