-- What made several alerts fire: their deliveries become one message of a channel.

ALTER TABLE deliveries ADD COLUMN cause TEXT;           -- deliveries with the same one are told together; none: by itself
CREATE INDEX deliveries_of_cause ON deliveries (channel, cause, id) WHERE cause IS NOT NULL;

-- What made an alert fire, as JSON: the end of it is told together too.
ALTER TABLE alert_states ADD COLUMN cause TEXT;
