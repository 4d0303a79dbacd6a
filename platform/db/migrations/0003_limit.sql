-- +goose Up
-- What an organisation, project, user or key may use.

CREATE TABLE limits (
    org TEXT NOT NULL REFERENCES organisations(id),
    level TEXT NOT NULL, -- org, project, user, key
    subject TEXT NOT NULL, -- its identifier
    kind TEXT NOT NULL, -- such as requests_per_minute
    amount BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (level, subject, kind)
);
CREATE INDEX limits_org ON limits(org);

CREATE TABLE limit_usage ( -- of a day or a month, added up over all nodes
    level TEXT NOT NULL,
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    start BIGINT NOT NULL, -- of the day or month
    amount BIGINT NOT NULL,
    PRIMARY KEY (level, subject, kind, start)
);
CREATE INDEX limit_usage_start ON limit_usage(start);
