-- +goose Up
-- Keys by which nodes sign addresses: what one gave out, each of them knows.
CREATE TABLE secrets (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL -- base64
);
