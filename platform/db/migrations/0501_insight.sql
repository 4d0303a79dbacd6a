-- +goose Up
-- A look at some days reads the events of those days, and no others.

CREATE INDEX ledger_events_at ON ledger_events(at);
-- who: as platform/insight has it, to the letter, or no query finds it
CREATE INDEX ledger_events_who ON ledger_events((CASE WHEN user_id <> '' THEN user_id ELSE key_id END), at);
CREATE INDEX insight_visits_who ON insight_visits(who, at);
