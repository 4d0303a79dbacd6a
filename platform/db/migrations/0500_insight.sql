-- +goose Up
-- What owners look at: who came when, what work costs them, sponsored slots.

CREATE TABLE insight_visits ( -- signs of people that leave no usage event, such as talking with a character
    org TEXT NOT NULL,
    who TEXT NOT NULL, -- a user, else a key
    kind TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX insight_visits_at ON insight_visits(at);

CREATE TABLE insight_costs ( -- what a dimension costs the owner
    currency TEXT NOT NULL,
    dimension TEXT NOT NULL,
    cost BIGINT NOT NULL CHECK (cost >= 0), -- of so many as the next column says
    per BIGINT NOT NULL CHECK (per > 0),
    PRIMARY KEY (currency, dimension)
);

CREATE TABLE sponsor_switch (
    one TEXT PRIMARY KEY,
    enabled BIGINT NOT NULL
);

CREATE TABLE sponsor_slots (
    id TEXT PRIMARY KEY,
    sponsor TEXT NOT NULL, -- who pays
    body TEXT NOT NULL,
    link TEXT NOT NULL,
    weight BIGINT NOT NULL CHECK (weight > 0),
    valid_from BIGINT NOT NULL,
    valid_until BIGINT NOT NULL, -- 0 for good
    ended BIGINT NOT NULL, -- 0: not by hand
    created BIGINT NOT NULL
);

CREATE TABLE sponsor_views ( -- each is seen once and clicked once; forgotten after a day
    id TEXT PRIMARY KEY,
    slot TEXT NOT NULL,
    at BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    clicked BIGINT NOT NULL
);
CREATE INDEX sponsor_views_at ON sponsor_views(at);

CREATE TABLE sponsor_days ( -- slot '' is the placement: how often it was asked for and filled
    slot TEXT NOT NULL,
    day BIGINT NOT NULL, -- since 1970 UTC
    asked BIGINT NOT NULL,
    filled BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    clicked BIGINT NOT NULL,
    PRIMARY KEY (slot, day)
);
