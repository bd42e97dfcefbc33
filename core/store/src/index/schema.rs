//! The layout of the index, and why each part of it is there.

use sha2::{Digest as _, Sha256};

/// The version of the layout, in `PRAGMA user_version`. Any change below needs another number; the index is then built anew.
pub(super) const VERSION: i64 = 2;

/// "SYND": says that the file is ours, in `PRAGMA application_id`.
pub(super) const APPLICATION: i64 = 0x5359_4e44;

/// How many detectors the masks of a decision can hold.
pub(super) const DETECTORS: usize = 62;

/// How many values of `votes.slot` each tenant has, and everybody: two for each detector, and some that stay empty.
pub(super) const SLOTS: i64 = 128;

/// How many sequences share a row of `spans`.
const BLOCK: i64 = 4096;

/// Bytes of a page. 1,024 and 2,048 were measured with `examples/index_speed.rs`, too: no difference that matters.
pub(super) const PAGE_BYTES: i64 = 4096;

/// Every index ends in the sequence, because SQLite appends the primary key. So each of them gives its decisions in order, from any
/// sequence on, and a page deep in the past costs what the first one costs.
pub(super) const SCHEMA: &str = "
-- Everything before `next` is folded. One row, changed in the transaction that folds.
CREATE TABLE progress (one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER NOT NULL) STRICT;
INSERT INTO progress VALUES (1, 0);

-- The place of each detector in the masks. Rows are only added.
CREATE TABLE detectors (bit INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

-- The number of each tenant in the rows of its decisions. Rows are only added.
CREATE TABLE tenants (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

-- What filters compare comes first, so that a row that does not match is read no further. A detector that was asked is in one of the three
-- masks, and one that was not asked in none. `score` is null for NaN. `label` is the label that holds now. `tenant` is null for
-- decisions of no tenant, which so have no place in the indexes that are for tenants.
CREATE TABLE decisions (
    sequence INTEGER PRIMARY KEY,
    segment INTEGER NOT NULL,
    place INTEGER NOT NULL,
    decided INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    anomalous INTEGER NOT NULL,
    score REAL,
    said_yes INTEGER NOT NULL,
    said_no INTEGER NOT NULL,
    abstained INTEGER NOT NULL,
    label INTEGER,
    tenant INTEGER,
    id BLOB NOT NULL,
    entity_hash INTEGER,
    entity TEXT,
    event_hash INTEGER,
    event TEXT,
    key_head INTEGER,
    key_tail BLOB,
    content BLOB
) STRICT;

-- by_id, and the decision that a label is about. Not unique: a log that holds an id twice must not stop the fold.
CREATE INDEX decisions_id ON decisions (id);
-- by_event, of all tenants, of which each has an id once. The hash keeps entries short whatever the client sends; the text beside it in the row decides.
CREATE INDEX decisions_event ON decisions (event_hash) WHERE event_hash IS NOT NULL;
-- by_key. The key is a digest already: its first eight bytes are the hash, and the others decide.
CREATE INDEX decisions_key ON decisions (key_head) WHERE key_head IS NOT NULL;
-- The history of an entity, as by_event.
CREATE INDEX decisions_entity ON decisions (entity_hash) WHERE entity_hash IS NOT NULL;
-- Decisions with a label, and quality. Few decisions ever get one.
CREATE INDEX decisions_label ON decisions (label) WHERE label IS NOT NULL;
-- The few that the policy calls anomalous, and the few with another outcome than the common one. The others are found by walking.
CREATE INDEX decisions_anomalous ON decisions (anomalous) WHERE anomalous = 1;
CREATE INDEX decisions_outcome ON decisions (outcome) WHERE outcome > 0;
-- The same for one tenant, so that it waits for nobody else's decisions, and learns nothing of how many they are.
CREATE INDEX decisions_tenant ON decisions (tenant) WHERE tenant IS NOT NULL;
CREATE INDEX decisions_tenant_entity ON decisions (tenant, entity_hash) WHERE tenant IS NOT NULL AND entity_hash IS NOT NULL;
CREATE INDEX decisions_tenant_label ON decisions (tenant, label) WHERE tenant IS NOT NULL AND label IS NOT NULL;
CREATE INDEX decisions_tenant_anomalous ON decisions (tenant) WHERE tenant IS NOT NULL AND anomalous = 1;
CREATE INDEX decisions_tenant_outcome ON decisions (tenant, outcome) WHERE tenant IS NOT NULL AND outcome > 0;

-- The decisions that a detector said yes to (slot = 2 * bit) and abstained from (slot = 2 * bit + 1): the rare votes. A no is found by walking.
-- What is a tenant's stands there a second time, at 128 * its number + slot.
CREATE TABLE votes (slot INTEGER NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (slot, sequence)) STRICT, WITHOUT ROWID;

-- The earliest and the latest decision time of each 4,096 sequences: turns times into sequences without an index over all times, and stays
-- right when a clock is set back.
CREATE TABLE spans (block INTEGER PRIMARY KEY, earliest INTEGER NOT NULL, latest INTEGER NOT NULL) STRICT;

CREATE TABLE labels (
    sequence INTEGER PRIMARY KEY,
    segment INTEGER NOT NULL,
    place INTEGER NOT NULL,
    decision BLOB NOT NULL,
    label INTEGER NOT NULL,
    author TEXT NOT NULL,
    at INTEGER NOT NULL,
    note TEXT
) STRICT;
-- The labels of one decision, in order.
CREATE INDEX labels_decision ON labels (decision);
";

/// A record that comes twice in one call is the same one: what is there stays.
pub(super) const ADD_DECISION: &str =
    "INSERT OR IGNORE INTO decisions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, NULL, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
    ?19)";
pub(super) const ADD_VOTE: &str = "INSERT OR IGNORE INTO votes VALUES (?1, ?2)";
pub(super) const ADD_LABEL: &str = "INSERT OR IGNORE INTO labels VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
pub(super) const SET_LABEL: &str = "UPDATE decisions SET label = ?2 WHERE id = ?1";
pub(super) const ADD_DETECTOR: &str = "INSERT INTO detectors VALUES (?1, ?2)";
pub(super) const ADD_TENANT: &str = "INSERT INTO tenants (name) VALUES (?1)";
pub(super) const WIDEN_SPAN: &str = "INSERT INTO spans VALUES (?1, ?2, ?3)
    ON CONFLICT (block) DO UPDATE SET earliest = min(earliest, excluded.earliest), latest = max(latest, excluded.latest)";
pub(super) const SET_NEXT: &str = "UPDATE progress SET next = ?1";

pub(super) const NEXT: &str = "SELECT next FROM progress";
pub(super) const NEWEST: &str = "SELECT max(sequence) FROM decisions";
pub(super) const ALL_DETECTORS: &str = "SELECT bit, name FROM detectors";
pub(super) const DETECTOR: &str = "SELECT bit FROM detectors WHERE name = ?1";
pub(super) const TENANT: &str = "SELECT number FROM tenants WHERE name = ?1";
pub(super) const BLOCKS: &str = "SELECT min(block), max(block) FROM spans WHERE latest >= ?1 AND (?2 IS NULL OR earliest < ?2)";

/// The first decision before sequence ?1 that one step, which takes ?2 of them, does not reach.
pub(super) const DECISION_BEYOND: &str = "SELECT sequence FROM decisions WHERE sequence < ?1 ORDER BY sequence LIMIT 1 OFFSET ?2";
pub(super) const LABEL_BEYOND: &str = "SELECT sequence FROM labels WHERE sequence < ?1 ORDER BY sequence LIMIT 1 OFFSET ?2";
pub(super) const TENANTS_BEFORE: &str = "SELECT DISTINCT tenant FROM decisions NOT INDEXED WHERE sequence < ?1 AND tenant IS NOT NULL";
pub(super) const FORGET_VOTES: &str = "DELETE FROM votes WHERE slot = ?1 AND sequence < ?2";
pub(super) const FORGET_SPANS: &str = "DELETE FROM spans WHERE block < ?1";
pub(super) const FORGET_LABELS: &str = "DELETE FROM labels WHERE sequence < ?1";
pub(super) const FORGET_DECISIONS: &str = "DELETE FROM decisions WHERE sequence < ?1";

/// The row of `spans` that a sequence belongs to.
pub(super) fn block(sequence: i64) -> i64 {
    sequence / BLOCK
}

/// The sequences of these blocks, half-open.
pub(super) fn sequences(first: i64, last: i64) -> (i64, i64) {
    (first.saturating_mul(BLOCK), last.saturating_add(1).saturating_mul(BLOCK))
}

/// What event ids and entities are indexed by: the first eight bytes of SHA-256. Two texts with one hash cost a comparison more and are
/// still told apart, because queries compare the text too. Nobody can make enough of them to be slow, as with a cheaper hash: each further
/// text with the same 64 bits takes 2^64 attempts.
pub(super) fn hash(text: &str) -> i64 {
    head(&Sha256::digest(text).into())
}

/// The first eight bytes of a digest.
pub(super) fn head(digest: &[u8; 32]) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = *digest;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}
