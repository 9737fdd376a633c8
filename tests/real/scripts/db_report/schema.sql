-- one row per order
PRAGMA foreign_keys = ON;
CREATE TABLE IF NOT EXISTS orders (
    id       INTEGER PRIMARY KEY,
    day      DATE NOT NULL,
    customer TEXT NOT NULL COLLATE NOCASE,
    zip      TEXT CHECK (length(zip) = 5),
    amount   MONEY NOT NULL,
    month    TEXT GENERATED ALWAYS AS (strftime('%Y-%m', day)) VIRTUAL
);
CREATE INDEX IF NOT EXISTS orders_by_customer ON orders(customer, day);
