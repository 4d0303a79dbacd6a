-- +goose Up
-- A worker that drains ends what it has and takes nothing new.
ALTER TABLE job_workers ADD COLUMN draining BIGINT NOT NULL DEFAULT 0;
