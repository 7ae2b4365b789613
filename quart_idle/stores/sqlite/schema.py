"""The tables of sessions, drafts, what is to be told, and open pages."""

from __future__ import annotations

from typing import Final

#: What leads from each version of the tables to the next: SQL. What has been released is not
#: changed any more; a change is one more.
#:
#: `sessions` has those that live, and those that are over for as long as it is told why (`reason`).
#: Their data stands last, and the clocks have always the same size: a renewal writes over them in
#: their place, and touches neither data nor index. `look` is no deadline, but when to look whether
#: that has come: never later than it.
MIGRATIONS: Final = (
    """
CREATE TABLE spaces (
    space INTEGER PRIMARY KEY,
    prefix TEXT NOT NULL UNIQUE,
    -- Of whoever joined a user's list last.
    place INTEGER NOT NULL DEFAULT 0,
    -- Whether ends were dropped that were to be told.
    lost INTEGER NOT NULL DEFAULT 0,
    -- What tells it from others, once it was moved.
    identity BLOB
);
CREATE TABLE sessions (
    key INTEGER PRIMARY KEY,
    space INTEGER NOT NULL,
    id TEXT NOT NULL,
    look REAL NOT NULL,
    clocks BLOB NOT NULL,
    user_id BLOB,
    place INTEGER,
    sign_in BLOB,
    reason BLOB,
    ended_at REAL,
    new_id TEXT,
    passes_saves_on INTEGER NOT NULL DEFAULT 0,
    data BLOB NOT NULL,
    UNIQUE (space, id)
);
CREATE INDEX sessions_look ON sessions (space, look);
CREATE INDEX sessions_user ON sessions (space, user_id, place) WHERE user_id IS NOT NULL;
-- Ends that are to be told.
CREATE TABLE ends (
    key INTEGER PRIMARY KEY,
    space INTEGER NOT NULL,
    id TEXT NOT NULL,
    take_at REAL NOT NULL,
    tries INTEGER NOT NULL,
    reason BLOB NOT NULL,
    ended_at REAL NOT NULL,
    by_id TEXT,
    clocks BLOB NOT NULL,
    user_id BLOB,
    sign_in BLOB,
    UNIQUE (space, id)
);
CREATE INDEX ends_take_at ON ends (space, take_at);
-- What other workers are to hear of: one that is over, or (with its clocks) one that was renewed.
CREATE TABLE changes (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    space INTEGER NOT NULL,
    worker INTEGER NOT NULL,
    id TEXT NOT NULL,
    reason BLOB,
    ended_at REAL,
    clocks BLOB
);
CREATE TABLE drafts (
    key INTEGER PRIMARY KEY,
    space INTEGER NOT NULL,
    at REAL NOT NULL,
    box TEXT NOT NULL,
    name BLOB NOT NULL,
    draft BLOB NOT NULL,
    UNIQUE (space, box, name)
);
CREATE INDEX drafts_at ON drafts (space, at);
-- What was taken in from another store, and how it was then.
CREATE TABLE moved (
    space INTEGER NOT NULL,
    name BLOB NOT NULL,
    mark BLOB NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (space, name)
) WITHOUT ROWID;
""",
    """
-- Workers, until when their pages count without another report, and the last one that came: its
-- number, and what was answered.
CREATE TABLE page_workers (
    space INTEGER NOT NULL,
    worker TEXT NOT NULL,
    lease_end REAL NOT NULL,
    number INTEGER NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (space, worker)
) WITHOUT ROWID;
-- How many pages of a session are open on a worker.
CREATE TABLE pages (
    space INTEGER NOT NULL,
    id TEXT NOT NULL,
    worker TEXT NOT NULL,
    user_id BLOB,
    pages INTEGER NOT NULL,
    PRIMARY KEY (space, id, worker)
) WITHOUT ROWID;
CREATE INDEX pages_worker ON pages (space, worker);
CREATE INDEX pages_user ON pages (space, user_id) WHERE user_id IS NOT NULL;
-- Users who have no page any more, and since when.
CREATE TABLE users_gone (
    space INTEGER NOT NULL,
    user_id BLOB NOT NULL,
    since REAL NOT NULL,
    PRIMARY KEY (space, user_id)
) WITHOUT ROWID;
CREATE INDEX users_gone_since ON users_gone (space, since);
""",
)
