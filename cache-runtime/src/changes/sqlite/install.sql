-- What has changed and is not relayed yet. A key is a JSON array of the values of the columns that the source names; without
-- a key any row may have changed.
CREATE TABLE IF NOT EXISTS cache_runtime_outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    key TEXT,
    at REAL NOT NULL DEFAULT (julianday('now'))
);
CREATE INDEX IF NOT EXISTS cache_runtime_outbox_key ON cache_runtime_outbox (source, key, id);

-- What changes of a table invalidate. One without a relation is of an earlier declaration: rows may still name it.
CREATE TABLE IF NOT EXISTS cache_runtime_sources (
    id TEXT PRIMARY KEY,
    declaration TEXT NOT NULL,
    relation TEXT
);

-- Who relays, until when, and up to which row: what is written down later is not covered by an earlier row that says the same.
CREATE TABLE IF NOT EXISTS cache_runtime_relay (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    taken INTEGER NOT NULL,
    holder TEXT,
    until REAL NOT NULL
);
INSERT INTO cache_runtime_relay SELECT 1, 0, NULL, 0 WHERE NOT EXISTS (SELECT 1 FROM cache_runtime_relay);
